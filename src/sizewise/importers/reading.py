"""Read results that others measured, whatever their form, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sizewise.errors import ConfigError, DataError
from sizewise.importers.costs import CostTable, given_costs, listed_costs, table_costs
from sizewise.importers.latency import with_latency
from sizewise.importers.logs import read_log
from sizewise.importers.matrix import TASK_NAMES, Matrix, matrix_evidence, read_columns, read_matrix
from sizewise.records import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Evidence of one or more tasks, and what was understood of the file."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]


def read_results(
    path: Path,
    *,
    costs: Sequence[str] = (),
    cluster: str | None = None,
    tasks: Sequence[str] = (),
    by_task: bool = False,
    models: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    confidence: Path | None = None,
    latency: Sequence[str] = (),
    seed: int = 0,
) -> Results:
    """Return the evidence in a file, with the latencies of other reports; raises DataError or ConfigError."""
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        matrix = read_log(path)
    else:
        matrix = read_matrix(path, cluster=cluster, ignore=ignore)
    if models is not None:
        matrix = _only(matrix, models, path)
    table = _costs(path, matrix, costs)
    known = list(dict.fromkeys(matrix.tasks))
    if by_task and not known:
        raise ConfigError(f"{path.name} names no tasks to split by; expected a column called {', '.join(TASK_NAMES)}")
    for task in tasks:
        if task not in known:
            raise ConfigError(f"{path.name} has no task {task!r}; it has {', '.join(known[:20]) or 'no task column'}")
    sure = None if confidence is None else _confidences(confidence, matrix)
    groups = [(t,) for t in (tasks or known)] if by_task and known else [tuple(tasks)]
    evidence = tuple(
        matrix_evidence(
            matrix,
            table,
            name="/".join((path.stem, *group)) if group else path.stem,
            seed=seed,
            keep=lambda task, group=group: not group or task in group,  # type: ignore[misc]
            confidences=sure,
        )
        for group in groups
    )
    evidence, told = with_latency(evidence, latency)
    return Results(evidence=evidence, notes=(*matrix.notes, f"cost: {table.unit}, from {table.origin}", *told))


def _only(matrix: Matrix, models: Sequence[str], path: Path) -> Matrix:
    missing = [name for name in models if name not in matrix.scores]
    if missing:
        raise ConfigError(f"{path.name} has no candidate {missing[0]!r}; it has {', '.join(list(matrix.scores)[:20])}")
    return replace(matrix, scores={name: matrix.scores[name] for name in models})


def _costs(path: Path, matrix: Matrix, given: Sequence[str]) -> CostTable:
    names = list(matrix.scores)
    files = [Path(text) for text in given if Path(text).suffix.lower() in (".csv", ".tsv", ".parquet")]
    pairs = [text for text in given if Path(text).suffix.lower() not in (".csv", ".tsv", ".parquet")]
    if files and pairs:
        raise ConfigError("--cost got a file and NAME=VALUE; give one file, or a NAME=VALUE for every candidate")
    if pairs:
        return given_costs(pairs)
    if files:
        return table_costs(read_columns(files[0]), names, files[0].name, path.stem)
    if matrix.prices:
        try:
            own = table_costs(matrix.prices, names, path.name, path.stem)
        except DataError:
            own = None
        if own is not None and all(name in own.costs for name in names):
            return own
    beside = path.parent / "models.csv"
    if beside.is_file() and beside != path:
        try:
            return table_costs(read_columns(beside), names, beside.name, path.stem)
        except DataError:
            return listed_costs(names)
    return listed_costs(names)


def _confidences(path: Path, matrix: Matrix) -> dict[str, list[float]]:
    """Return the columns of a confidence file that are named like candidates, by row."""
    columns = read_columns(path)
    found: dict[str, list[float]] = {}
    for name in matrix.scores:
        column = columns.get(name)
        if column is None:
            continue
        if len(column) != len(matrix.items):
            raise DataError(
                f"{path.name} has {len(column)} rows and the scores {len(matrix.items)}; give the same items in order"
            )
        if any(isinstance(value, str) for value in column):
            raise DataError(f"{path.name}: column {name!r} holds words; expected a number that is higher when surer")
        found[name] = [value if isinstance(value, float) else float("nan") for value in column]
    if not found:
        raise DataError(
            f"{path.name} has no column named like a candidate; expected some of {', '.join(list(matrix.scores)[:5])}"
        )
    return found
