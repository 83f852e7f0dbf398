"""Score matrices in CSV or Parquet: models x items, items x models, or one row an answer.

What a column is, is told by its name and its values: an id (`item`, `id`, ...), a cluster (`cluster`), a task
(`task`), else a candidate's scores when all of its numbers are in [0, 1]. Numbers outside [0, 1] are refused,
unless the name says that they are something else (`..._chars`, `..._tokens`, `..._usd`, ...).

Not covered: several scores of one candidate on one item (average them first), spreadsheets.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from statistics import fmean

from sizewise.errors import ConfigError, DataError
from sizewise.importers.costs import CALL_COLUMNS, SIZE_COLUMNS, TOKEN_COLUMNS, TOKEN_IN_COLUMNS, CostTable
from sizewise.records import Contender, Evidence, Skipped

ID_NAMES = ("item", "item_id", "id", "sample", "sample_id", "question_id", "doc_id", "prompt_id", "i", "index", "")
MODEL_NAMES = ("model", "candidate", "model_name", "model_id", "system")
SCORE_NAMES = ("score", "correct", "right", "pass", "passed", "value", "accuracy")
TASK_NAMES = ("task", "dataset", "benchmark", "category", "subject", "subset")
PRICE_NAMES = (*CALL_COLUMNS, *TOKEN_COLUMNS, *TOKEN_IN_COLUMNS, *SIZE_COLUMNS)
CLUSTER_NAMES = ("cluster", "cluster_id", "group")
_OTHER = re.compile(
    r".*(^|[_ -])(chars|tokens|length|len|words|usd|cost|price|time|latency|seconds|ms|s|year|params)", re.IGNORECASE
)
"""Names of numbers that are no scores."""

Column = list[str | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Scores by candidate, in the order of `items`; NaN where a cell is empty."""

    items: tuple[str, ...]
    scores: Mapping[str, list[float]]
    clusters: Mapping[str, str]
    tasks: tuple[str, ...]
    """Task of each item; empty when the file names none."""
    notes: tuple[str, ...]
    """What was understood of the file, in sentences."""
    prices: Mapping[str, Column] = field(default_factory=dict)
    """Columns of the file that say what candidates cost or how large they are, with `model`, one row a candidate."""


def read_matrix(path: Path, *, cluster: str | None = None, ignore: Sequence[str] = ()) -> Matrix:
    """Return the scores in a file; raises DataError that names the column, the row and what to do."""
    columns = read_columns(path)
    for name in (*ignore, *([cluster] if cluster else [])):
        if name not in columns:
            raise ConfigError(f"{path.name} has no column {name!r}; it has {', '.join(map(repr, columns))}")
    columns = {name: values for name, values in columns.items() if name not in ignore}
    lower = {name.lower().strip(): name for name in columns}
    model = next((lower[n] for n in MODEL_NAMES if n in lower and _texts(columns[lower[n]])), None)
    score = next((lower[n] for n in SCORE_NAMES if n in lower), None)
    if model is not None and score is not None:
        return _from_answers(path, columns, model, score, cluster)
    if model is not None:
        return _from_models_as_rows(path, columns, model)
    return _from_items_as_rows(path, columns, cluster)


def read_columns(path: Path) -> dict[str, Column]:
    """Return the columns of a CSV or Parquet file; cells are numbers where they read as numbers, None where empty."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; give a CSV or Parquet file of scores")
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"{path.name} ends in {path.suffix!r}; expected .csv, .tsv or .parquet")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    if len(rows) < 2:
        raise DataError(f"{path.name} has {len(rows)} lines; expected a header line and at least one row")
    header, body = rows[0], [row for row in rows[1:] if row]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path.name} has two columns named {twice!r}; give each its own name")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DataError(f"{path.name}, line {number}: {len(row)} cells, but the header has {len(header)}")
    return {name: [_cell(row[i]) for row in body] for i, name in enumerate(header)}


def _parquet(path: Path) -> dict[str, Column]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise DataError("reading Parquet needs pyarrow; install it with: pip install 'sizewise[parquet]'") from error
    try:
        table = read_table(path)
    except ArrowInvalid as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {error}") from error
    columns: dict[str, Column] = {}
    for name in table.column_names:
        values = table.column(name).to_pylist()
        columns[name] = [
            float(v) if isinstance(v, bool | int | float) else None if v is None else str(v) for v in values
        ]
    return columns


def _cell(text: str) -> str | float | None:
    stripped = text.strip()
    if stripped.lower() in ("", "na", "n/a", "null", "none", "nan"):
        return None
    if stripped.lower() in ("true", "false"):
        return float(stripped.lower() == "true")
    try:
        return float(stripped)
    except ValueError:
        return stripped


def _texts(column: Column) -> bool:
    return any(isinstance(value, str) for value in column)


def _label(value: str | float | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first(columns: Mapping[str, Column], names: Sequence[str]) -> str | None:
    lower = {name.lower().strip(): name for name in columns}
    return next((lower[name] for name in names if name in lower), None)


def _from_items_as_rows(path: Path, columns: dict[str, Column], cluster: str | None) -> Matrix:
    task, group = _first(columns, TASK_NAMES), cluster or _first(columns, CLUSTER_NAMES)
    ident = _first({n: c for n, c in columns.items() if n not in (task, group)}, ID_NAMES)
    rows = len(next(iter(columns.values())))
    tasks = tuple(_label(v) for v in columns[task]) if task is not None else ()
    labels = [_label(v) for v in columns[ident]] if ident is not None else [str(i) for i in range(rows)]
    items = tuple(f"{t}/{i}" for t, i in zip(tasks, labels, strict=True)) if tasks else tuple(labels)
    _no_duplicates(path, items, ident)
    scores, left_out = _score_columns(path, {n: c for n, c in columns.items() if n not in (task, group, ident)}, items)
    clusters = (
        {} if group is None else {i: _label(v) for i, v in zip(items, columns[group], strict=True) if v is not None}
    )
    notes = [f"{path.name}: {len(items)} items (rows) x {len(scores)} candidates (columns)"]
    if left_out:
        notes.append(f"not scores, left out: {', '.join(left_out)}")
    return Matrix(items=items, scores=scores, clusters=clusters, tasks=tasks, notes=tuple(notes))


def _from_models_as_rows(path: Path, columns: dict[str, Column], model: str) -> Matrix:
    names = [_label(v) for v in columns[model]]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise DataError(f"{path.name} has two rows for candidate {twice!r}; give each its own name")
    prices = {n: columns[n] for n in PRICE_NAMES if n in columns}
    cells = {n: c for n, c in columns.items() if n != model and n not in prices and not _texts(c) and not _other(n, c)}
    items = tuple(cells)
    turned: dict[str, Column] = {name: [cells[item][r] for item in items] for r, name in enumerate(names)}
    scores, _ = _score_columns(path, turned, items, columns_are_candidates=False)
    note = f"{path.name}: {len(scores)} candidates (rows) x {len(items)} items (columns)"
    found: dict[str, Column] = {"model": list(names), **prices} if prices else {}
    return Matrix(items=items, scores=scores, clusters={}, tasks=(), notes=(note,), prices=found)


def _from_answers(path: Path, columns: dict[str, Column], model: str, score: str, cluster: str | None) -> Matrix:
    rest = {n: c for n, c in columns.items() if n not in (model, score)}
    task, group = _first(rest, TASK_NAMES), cluster or _first(rest, CLUSTER_NAMES)
    ident = _first({n: c for n, c in rest.items() if n not in (task, group)}, ID_NAMES)
    if ident is None:
        raise DataError(
            f"{path.name} has one row an answer, but no item column; expected one named {', '.join(ID_NAMES[:5])}"
        )
    labels = [_label(v) for v in columns[ident]]
    if task is not None:
        labels = [f"{_label(t)}/{i}" for t, i in zip(columns[task], labels, strict=True)]
    items = tuple(dict.fromkeys(labels))
    place = {item: i for i, item in enumerate(items)}
    cells: dict[str, Column] = {}
    for number, (name, item, value) in enumerate(zip(columns[model], labels, columns[score], strict=True), start=2):
        row = cells.setdefault(_label(name), [None] * len(items))
        if row[place[item]] is not None:
            raise DataError(
                f"{path.name}, line {number}: a second score of {_label(name)!r} on item {item!r}; "
                "average repeats first"
            )
        row[place[item]] = value
    scores, _ = _score_columns(path, cells, items, columns_are_candidates=False)
    clusters = {} if group is None else {i: _label(v) for i, v in zip(labels, columns[group], strict=True)}
    tasks = tuple(item.split("/", 1)[0] for item in items) if task is not None else ()
    note = f"{path.name}: one row an answer, {len(items)} items x {len(scores)} candidates"
    return Matrix(
        items=items, scores=scores, clusters=clusters, tasks=tasks, notes=(note,), prices=_mean_prices(columns, model)
    )


def _mean_prices(columns: Mapping[str, Column], model: str) -> dict[str, Column]:
    """Return the mean of each price column over the answers of a candidate, one row a candidate."""
    names = list(dict.fromkeys(_label(v) for v in columns[model]))
    found: dict[str, Column] = {}
    for column in (n for n in PRICE_NAMES if n in columns):
        told: dict[str, list[float]] = {name: [] for name in names}
        for name, value in zip(columns[model], columns[column], strict=True):
            if isinstance(value, float):
                told[_label(name)].append(value)
        found[column] = [fmean(values) if values else None for values in told.values()]
    return {"model": list(names), **found} if found else {}


def _other(name: str, column: Column) -> bool:
    """Return whether a column's name says that it is no score; right and wrong (0 and 1 only) always are."""
    numbers = {v for v in column if isinstance(v, float) and not isnan(v)}
    return _OTHER.fullmatch(name.strip()) is not None and not (numbers and numbers <= {0.0, 1.0})


def _score_columns(
    path: Path, columns: Mapping[str, Column], items: Sequence[str], *, columns_are_candidates: bool = True
) -> tuple[dict[str, list[float]], list[str]]:
    """Return the score columns and the names of those left out; refuse numbers outside [0, 1]."""
    scores: dict[str, list[float]] = {}
    left_out: list[str] = []
    for name, column in columns.items():
        texts = [(i, v) for i, v in enumerate(column) if isinstance(v, str)]
        numbers = [v for v in column if isinstance(v, float)]
        if columns_are_candidates and (_other(name, column) or (texts and not numbers)):
            left_out.append(name)
            continue
        if texts:
            i, word = texts[0]
            raise DataError(
                f"{path.name}: column {name!r} has the word {word!r} at item {items[i]!r}; expected a number in [0, 1]"
            )
        bad = next(
            ((i, v) for i, v in enumerate(column) if isinstance(v, float) and not (0 <= v <= 1 or isnan(v))), None
        )
        if bad is not None:
            raise DataError(
                f"{path.name}: column {name!r} has {bad[1]:g} at item {items[bad[0]]!r}, outside [0, 1]. "
                f"If these are scores, rescale them to 0 (wrong) .. 1 (right); if not, leave it out: --ignore {name!r}"
            )
        scores[name] = [v if isinstance(v, float) else nan for v in column]
    if not scores:
        raise DataError(
            f"{path.name} has no column of scores in [0, 1]; columns are {', '.join(map(repr, columns)) or 'none'}"
        )
    return scores, left_out


def _no_duplicates(path: Path, items: Sequence[str], ident: str | None) -> None:
    seen: set[str] = set()
    for number, item in enumerate(items, start=2):
        if item in seen:
            raise DataError(
                f"{path.name}, row {number}: item {item!r} is there twice (column {ident!r}); "
                "remove the copy, or give each item its own id"
            )
        seen.add(item)


def matrix_evidence(
    matrix: Matrix,
    costs: CostTable,
    *,
    name: str,
    seed: int = 0,
    keep: Callable[[str], bool] = lambda _: True,
    confidences: Mapping[str, Sequence[float]] | None = None,
) -> Evidence:
    """Return the evidence of the items whose task passes `keep`.

    A candidate without any score, or without a cost while others have one, is carried as skipped.
    """
    rows = [i for i in range(len(matrix.items)) if not matrix.tasks or keep(matrix.tasks[i])]
    scores = {n: [values[i] for i in rows] for n, values in matrix.scores.items()}
    skipped = [
        Skipped(candidate=n, reason="it has no score on any item", stage="import")
        for n, v in scores.items()
        if all(map(isnan, v))
    ]
    if len(skipped) == len(scores):
        raise DataError(f"{name}: no candidate has a score on any of the {len(rows)} items; the cells are all empty")
    priced, unpriced = costs.of([n for n in scores if n not in {s.candidate for s in skipped}])
    skipped += [Skipped(candidate=n, reason=f"{costs.origin} has no cost for it", stage="import") for n in unpriced]
    if not priced:
        raise DataError(
            f"{name}: no candidate has both scores and a cost; check that the names in {costs.origin} match"
        )
    contenders = tuple(
        Contender(name=n, cost=c, size=costs.sizes.get(n), family=costs.families.get(n)) for n, c in priced.items()
    )
    items = tuple(matrix.items[i] for i in rows)
    return Evidence(
        task=name,
        contenders=contenders,
        items=items,
        clusters={i: matrix.clusters[i] for i in items if i in matrix.clusters},
        scores={c.name: scores[c.name] for c in contenders},
        confidences={n: [v[i] for i in rows] for n, v in (confidences or {}).items() if n in priced},
        cost_unit=costs.unit,
        seed=seed,
        skipped=tuple(skipped),
        origin=matrix.notes[0],
    )
