"""Training runs as arrays: parse a CSV's text, name what is wrong with it, group rows of one run.

Does not cover learning-rate schedules, batch sizes or data mixtures: a row is a size, a number of tokens
and the loss it ended with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import DataError, SizewiseError
from sizewise.units import parse_count

Array = NDArray[np.float64]

_NAMES: dict[str, tuple[str, ...]] = {
    "n": ("n", "params", "parameters", "n_params", "n_params_total", "n_params_nonembedding", "model_size", "size"),
    "d": ("d", "tokens", "n_tokens", "training_tokens", "train_tokens"),
    "c": ("c", "flops", "flop", "training_flop", "training_flops", "compute"),
    "loss": ("loss", "val_loss", "l", "final_loss", "test_loss"),
    "run": ("run", "run_id", "name", "cluster"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Final losses of training runs, one row each.

    `n` parameters, `d` tokens, `loss` nats per token, all of shape (M,); `unit` (M,) numbers the run a row
    belongs to: rows of one run (its checkpoints) are resampled together.
    """

    n: Array
    d: Array
    loss: Array
    unit: NDArray[np.int64]
    name: str = "runs"
    columns: dict[str, str] = field(default_factory=dict)
    """Which column of the file was read as what."""

    @property
    def flops(self) -> Array:
        """Training compute by the 6 N D rule, FLOP."""
        return 6.0 * self.n * self.d

    def __len__(self) -> int:
        return int(self.loss.size)

    def take(self, keep: NDArray[Any]) -> Runs:
        """Return the rows that `keep` (mask or indices) selects; units keep their numbers."""
        return Runs(
            n=self.n[keep], d=self.d[keep], loss=self.loss[keep], unit=self.unit[keep], name=self.name,
            columns=self.columns,
        )  # fmt: skip


def make_runs(
    n: Sequence[float] | Array,
    d: Sequence[float] | Array,
    loss: Sequence[float] | Array,
    unit: Sequence[object] | None = None,
    name: str = "runs",
    columns: dict[str, str] | None = None,
) -> Runs:
    """Return checked runs from plain sequences of equal length.

    Raises DataError for unequal lengths, values that are not finite, or not above zero.

    >>> len(make_runs([1e6, 2e6], [1e8, 1e8], [3.0, 2.9]))
    2
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in (n, d, loss)]
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 1:
        raise DataError(
            f"{name}: expected parameters, tokens and losses of one length, got {[a.shape for a in arrays]}"
        )
    for label, array in zip(("parameters", "tokens", "loss"), arrays, strict=True):
        bad = np.flatnonzero(~np.isfinite(array) | (array <= 0))
        if bad.size:
            raise DataError(
                f"{name}: {label} of row {int(bad[0]) + 1} is {array[bad[0]]:g}; expected a finite number above 0. "
                "Correct or remove that row."
            )
    labels = list(range(arrays[0].size)) if unit is None else list(unit)
    numbers = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    units = np.array([numbers[label] for label in labels], dtype=np.int64)
    return Runs(n=arrays[0], d=arrays[1], loss=arrays[2], unit=units, name=name, columns=columns or {})


def parse_runs(
    text: str, name: str = "runs.csv", run_column: str | None = None, size_column: str | None = None
) -> Runs:
    """Return the runs of a CSV text with columns for size, tokens (or FLOP) and loss.

    Column names are matched without case and with `_` for a space: params/N/n_params..., tokens/D, flops/C,
    loss/val_loss. Tokens may be left out when FLOP is given: D = C / 6N. Each row is its own run unless
    `run_column` names the column that says which rows are checkpoints of one run. `size_column` names the
    parameters where there are several counts; without it the total comes before that without embedding.
    Counts may be written "7B".
    Raises DataError with the line.

    >>> parse_runs("params,tokens,loss\\n1M,20M,4.0\\n2M,40M,3.5\\n").d.tolist()
    [20000000.0, 40000000.0]
    """
    reader = csv.DictReader(io.StringIO(text))
    header = [column for column in reader.fieldnames or [] if column]
    for wanted in (run_column, size_column):
        if wanted is not None and wanted not in header:
            raise DataError(f"{name}: no column {wanted!r}; the columns are {', '.join(header)}")
    columns = _columns(header, name, size_column)
    values: dict[str, list[float]] = {"n": [], "d": [], "loss": []}
    labels: list[object] = []
    for line, row in enumerate(reader, start=2):
        size = _number(row, columns["n"], name, line)
        tokens = _number(row, columns["d"], name, line) if "d" in columns else 0.0
        if "d" not in columns:
            tokens = _number(row, columns["c"], name, line) / (6.0 * size)
        values["n"].append(size)
        values["d"].append(tokens)
        values["loss"].append(_number(row, columns["loss"], name, line))
        labels.append(row[run_column] if run_column else line)
    if not labels:
        raise DataError(f"{name}: no rows under the header; expected one row for each training run")
    return make_runs(values["n"], values["d"], values["loss"], labels, name, columns)


def _columns(header: list[str], name: str, size_column: str | None) -> dict[str, str]:
    """Return which column is what; raises DataError naming the missing one."""
    known = {column.strip().lower().replace(" ", "_"): column for column in header}
    found = {
        key: known[next(alias for alias in aliases if alias in known)]
        for key, aliases in _NAMES.items()
        if any(alias in known for alias in aliases)
    }
    found |= {"n": size_column} if size_column else {}
    for key, what in (("n", "parameters"), ("loss", "loss")):
        if key not in found:
            raise DataError(f"{name}: no column for {what} among {header}; expected one of {', '.join(_NAMES[key])}")
    if "d" not in found and "c" not in found:
        raise DataError(
            f"{name}: no column for tokens among {header}; expected one of {', '.join(_NAMES['d'])} or flops"
        )
    return found


def _number(row: dict[str, str | None], column: str, name: str, line: int) -> float:
    text = (row.get(column) or "").strip()
    try:
        value = float(text) if _is_float(text) else parse_count(text)
    except SizewiseError:
        raise DataError(f"{name}, line {line}: {column} is {text!r}; expected a number such as 1.3e9 or 7B") from None
    if not (0 < value < float("inf")):
        raise DataError(f"{name}, line {line}: {column} is {text!r}; expected a finite number above 0")
    return value


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
