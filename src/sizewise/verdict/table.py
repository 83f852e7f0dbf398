"""Evidence as arrays: one row a contender in order of cost, one column an item, in the race's reading order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import DataError
from sizewise.race.race import RaceItem, shuffled_units
from sizewise.records import Contender, Evidence, Score, StopReason, Trial

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Arrays of shape (K, N); NaN where a contender has not answered an item. Repeats are averaged per item."""

    contenders: tuple[Contender, ...]
    items: tuple[str, ...]
    clusters: NDArray[np.intp] | None
    """Cluster number of each item; None when every item is its own."""
    scores: Floats
    costs: Floats
    """What each call cost, in `cost_unit`; the contender's cost where it was not recorded."""
    cost_unit: str
    confidences: dict[str, Floats]
    completed: Floats | None
    """Scores of answers that came whole (not truncated, empty, looped or failed); None without trials."""
    shares: dict[str, Floats]
    """valid, truncated, refused, hallucinated, error: shape (K,), NaN where unknown; empty without trials."""
    answered: NDArray[np.int64]
    calls: int
    spent: dict[str, Floats] = field(default_factory=dict)
    """tokens (put out), seconds, joules of each answer: shape (K, N), NaN where not measured; empty without trials."""
    valid: Floats | None = None
    """Share of an item's answers that had the form asked for; None without trials."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the contenders' names, cheapest first."""
        return tuple(c.name for c in self.contenders)

    @property
    def complete(self) -> bool:
        """Return whether every contender answered every item."""
        return not bool(np.isnan(self.scores).any())


def read_table(evidence: Evidence) -> Table:
    """Return the evidence as arrays; raises DataError where it contradicts itself."""
    contenders = tuple(sorted(evidence.contenders, key=lambda c: c.cost))
    names = [c.name for c in contenders]
    _check(evidence, names)
    rows = {name: m for m, name in enumerate(names)}
    clusters = cluster_names(evidence)
    given = [RaceItem(id=item, cluster=clusters.get(item)) for item in evidence.items]
    items = tuple(item.id for unit in shuffled_units(given, evidence.seed) for item in unit)
    place = {item: i for i, item in enumerate(items)}
    columns = np.array([place[item] for item in evidence.items])
    shape = (len(names), len(place))
    trials = [t for t in evidence.trials if t.key.candidate in rows and t.key.sample in place]
    scores = _mean(shape, rows, place, trials, lambda t: t.score.value if t.score is not None else None)
    for name, values in evidence.scores.items():
        row = _placed(values, columns)
        scores[rows[name]] = np.where(np.isnan(row), scores[rows[name]], row)
    outside = ~np.isnan(scores) & ((scores < 0) | (scores > 1))
    if outside.any():
        m, i = (int(x[0]) for x in np.nonzero(outside))
        raise DataError(
            f"the score of {names[m]!r} on item {items[i]!r} is {scores[m, i]:g}, outside [0, 1]; "
            "rescale scores to 0 (wrong) .. 1 (right)"
        )
    costs = np.repeat(np.array([[c.cost] for c in contenders]), shape[1], axis=1)
    paid = _mean(shape, rows, place, trials, lambda t: t.cost_usd)
    for name, values in evidence.costs.items():
        paid[rows[name]] = _placed(values, columns)
    unit = evidence.cost_unit
    if not np.isnan(np.where(np.isnan(scores), 0.0, paid)).any():
        costs, unit = np.where(np.isnan(paid), costs, paid), "USD"
    return Table(
        contenders=contenders,
        items=items,
        clusters=_clusters(items, clusters),
        scores=scores,
        costs=costs,
        cost_unit=unit,
        confidences=_confidences(evidence, columns, rows, _mean(shape, rows, place, trials, lambda t: t.mean_logprob)),
        completed=_mean(shape, rows, place, trials, _completed) if trials else None,
        shares=_shares(len(names), rows, trials) if trials else {},
        answered=np.sum(~np.isnan(scores), axis=1),
        calls=len(trials) if trials else int(np.sum(~np.isnan(scores))),
        spent={name: _mean(shape, rows, place, trials, value) for name, value in _SPENT.items()} if trials else {},
        valid=_mean(shape, rows, place, trials, _valid) if trials else None,
    )


def _check(evidence: Evidence, names: Sequence[str]) -> None:
    if not names:
        raise DataError("there are no candidates to decide between; expected at least one with a score")
    if len(set(names)) < len(names):
        twice = next(n for n in names if list(names).count(n) > 1)
        raise DataError(f"candidate {twice!r} is there twice; give each candidate its own name")
    if not evidence.items:
        raise DataError("there are no items to decide on; expected at least one")
    if len(set(evidence.items)) < len(evidence.items):
        seen: set[str] = set()
        twice = next(i for i in evidence.items if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise DataError(f"item {twice!r} is there twice; give each item its own id, or remove the copy")
    for kind, columns in (
        ("scores", evidence.scores),
        ("costs", evidence.costs),
        ("confidences", evidence.confidences),
    ):
        for name, values in columns.items():
            if name not in names:
                raise DataError(f"{kind} came for {name!r}, which is no candidate; known are {', '.join(names)}")
            if len(values) != len(evidence.items):
                raise DataError(f"{kind} of {name!r}: {len(values)} values for {len(evidence.items)} items")


def _mean(
    shape: tuple[int, int],
    rows: dict[str, int],
    place: dict[str, int],
    trials: Sequence[Trial],
    value: Callable[[Trial], float | None],
) -> Floats:
    """Return the mean of a value over the repeats of each (contender, item)."""
    total, count = np.zeros(shape), np.zeros(shape)
    for trial in trials:
        number = value(trial)
        if number is not None:
            at = rows[trial.key.candidate], place[trial.key.sample]
            total[at] += number
            count[at] += 1
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _whole(trial: Trial) -> bool:
    return trial.error is None and not (trial.truncated or trial.empty or trial.looped)


def _completed(trial: Trial) -> float | None:
    return trial.score.value if trial.score is not None and _whole(trial) else None


def cluster_names(evidence: Evidence) -> dict[str, str]:
    """Return item id -> cluster, from the evidence and from its trials."""
    known = dict(evidence.clusters)
    for trial in evidence.trials:
        if trial.cluster is not None:
            known.setdefault(trial.key.sample, trial.cluster)
    return known


def _valid(trial: Trial) -> float | None:
    return None if trial.score is None else float(trial.score.valid)


_SPENT: dict[str, Callable[[Trial], float | None]] = {
    "tokens": lambda t: t.output_tokens,
    "seconds": lambda t: t.timing.total_s if t.error is None else None,
    "joules": lambda t: t.energy_j,
}


def _clusters(items: Sequence[str], known: Mapping[str, str]) -> NDArray[np.intp] | None:
    if not known:
        return None
    labels = [f"c:{known[i]}" if i in known else f"i:{i}" for i in items]
    numbers = np.unique(labels, return_inverse=True)[1]
    return None if int(numbers.max()) + 1 == len(labels) else numbers


def _placed(values: Sequence[float], columns: NDArray[np.intp]) -> Floats:
    """Return values in the order of the evidence's items, put into the reading order."""
    row = np.empty(columns.size)
    row[columns] = np.asarray(values, dtype=np.float64)
    return row


def _confidences(
    evidence: Evidence, columns: NDArray[np.intp], rows: Mapping[str, int], logprobs: Floats
) -> dict[str, Floats]:
    found = {name: _placed(values, columns) for name, values in evidence.confidences.items()}
    for name, m in rows.items():
        if name not in found and not np.isnan(logprobs[m]).all():
            found[name] = logprobs[m]
    return found


def _shares(count: int, rows: dict[str, int], trials: Sequence[Trial]) -> dict[str, Floats]:
    tests: dict[str, Callable[[Trial, Score], bool]] = {
        "valid": lambda _, s: s.valid,
        "refused": lambda _, s: s.refused,
        "hallucinated": lambda _, s: s.hallucinated,
        "truncated": lambda t, _: t.truncated or t.stop_reason in (StopReason.LENGTH, StopReason.CONTEXT),
    }
    scored = np.zeros(count)
    every = np.zeros(count)
    hits = {name: np.zeros(count) for name in (*tests, "error")}
    for trial in trials:
        m = rows[trial.key.candidate]
        every[m] += 1
        hits["error"][m] += trial.error is not None
        if trial.score is not None:
            scored[m] += 1
            for name, test in tests.items():
                hits[name][m] += test(trial, trial.score)
    with np.errstate(invalid="ignore"):
        return {name: total / (every if name == "error" else scored) for name, total in hits.items()}
