"""What the evidence settles: who is good enough, who is out, on these items and for future ones.

Complete results are compared exactly; results that a race left incomplete are replayed through it, with its
anytime-valid guarantee. For future items: complete results by fixed-N paired tests, incomplete by the race's
evidence with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sizewise.race import Race, RaceCandidate, RaceItem, RaceState
from sizewise.records import Evidence, Goal, TrialKey
from sizewise.stats.paired import gap_bound
from sizewise.verdict.table import Floats, Table, cluster_names

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The answer over the allowed contenders; numbers are rows of the table, cheapest first."""

    chosen: int | None
    best: int | None
    """Highest mean among the allowed, where known."""
    exact: bool
    finished: bool
    cheaper_open: tuple[int, ...] = ()
    """Cheaper contenders that were not shown to be too weak."""
    dropped: tuple[tuple[int, str], ...] = ()
    unjudged: tuple[int, ...] = ()
    """Too many of their first answers are missing: nothing is claimed against them."""


def means(table: Table) -> Floats:
    """Return the mean score of each contender over the items it answered; NaN for none."""
    count = np.maximum(table.answered, 1)
    mean: Floats = np.where(table.answered > 0, np.nansum(table.scores, axis=1) / count, np.nan)
    return mean


def settle_items(table: Table, evidence: Evidence, goal: Goal, allowed: NDArray[np.bool_]) -> Settled:
    """Return what is settled on these items."""
    if table.complete:
        return _exact(table, goal, allowed)
    if not allowed.any():
        return Settled(chosen=None, best=None, exact=False, finished=True)
    return _from_race(table, replay(table, evidence, goal, allowed).state(), goal, allowed)


def _exact(table: Table, goal: Goal, allowed: NDArray[np.bool_]) -> Settled:
    mean = means(table)
    rows = np.flatnonzero(allowed)
    if not rows.size:
        return Settled(chosen=None, best=None, exact=True, finished=True)
    best = int(rows[np.argmax(mean[rows])])
    floor = goal.min_score if goal.min_score is not None else 0.0
    good = allowed & (mean >= mean[best] - goal.margin - TOLERANCE) & (mean >= floor - TOLERANCE)
    chosen = int(np.flatnonzero(good)[0]) if good.any() else None
    dropped = tuple(
        (int(m), f"{table.names[best]} leads it by {100 * (mean[best] - mean[m]):.1f} points")
        for m in rows
        if mean[m] < mean[best] - goal.margin - TOLERANCE
    )
    return Settled(chosen=chosen, best=best, exact=True, finished=True, dropped=dropped)


def replay(table: Table, evidence: Evidence, goal: Goal, allowed: NDArray[np.bool_]) -> Race:
    """Return the race of the contenders that keep every limit, with all stored results told."""
    clusters = cluster_names(evidence)
    items = [RaceItem(id=item, cluster=clusters.get(item)) for item in table.items]
    repeats = evidence.repeats if evidence.trials else 1
    running = [c for c, keeps in zip(table.contenders, allowed, strict=True) if keeps]
    candidates = [RaceCandidate(name=c.name, cost=c.cost) for c in running]
    race = Race(candidates, items, goal, evidence.seed, repeats)
    known_names, known_items = {c.name for c in running}, set(table.items)
    for trial in evidence.trials:
        if trial.key.candidate in known_names and trial.key.sample in known_items:
            race.tell(trial.key, None if trial.score is None else trial.score.value)
    for m, name in enumerate(table.names):
        if name in evidence.scores and name in known_names:
            for item, value in zip(table.items, table.scores[m].tolist(), strict=True):
                race.tell(TrialKey(candidate=name, sample=item), None if np.isnan(value) else value)
    return race


def _from_race(table: Table, state: RaceState, goal: Goal, allowed: NDArray[np.bool_]) -> Settled:
    names = table.names
    rows = {name: m for m, name in enumerate(names)}
    mean = means(table)
    judged = [m for m in np.flatnonzero(allowed).tolist() if not np.isnan(mean[m])]
    best = max(judged, key=lambda m: float(mean[m]), default=None)
    dropped = {rows[d.candidate]: d for d in state.dropped}
    unjudged = {m for m, d in dropped.items() if "cannot be judged" in d.reason}
    close = {(rows[j], rows[k]) for j, k in state.close}
    open_rows: list[int] = []
    chosen = None
    for k in np.flatnonzero(allowed).tolist():
        if k in unjudged:
            continue
        out = dropped.get(k)
        if out is not None and "not settled" not in out.reason:
            continue
        if all(j == k or j in unjudged or (j, k) in close for j in np.flatnonzero(allowed).tolist()) and (
            goal.min_score is None or state.chosen == names[k]
        ):
            chosen = k
            break
        open_rows.append(k)
    settled = tuple((m, d.reason) for m, d in sorted(dropped.items()))
    finished = state.finished or chosen is not None
    return Settled(
        chosen=chosen, best=best, exact=False, finished=finished, cheaper_open=tuple(open_rows), dropped=settled,
        unjudged=tuple(sorted(unjudged)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Future:
    """What is shown for future items like these, about one contender."""

    shown: bool
    margin_shown: float
    """Smallest margin that is shown, with its certificate's error level."""
    against: str
    """The rival that needs the widest margin."""
    disagreement: float
    """Mean square of the paired difference against that rival."""
    gap: float
    method: str
    watched: bool = False
    """Shown while the answers came in (anytime-valid), not by a number of items fixed beforehand."""
    items: int = 0
    """Items that both answered."""


def future_of(table: Table, evidence: Evidence, goal: Goal, chosen: int, allowed: NDArray[np.bool_]) -> Future:
    """Return how far the chosen contender is shown to be close to every allowed rival on future items.

    The level is alpha_safe / (K - 1): the choice could have fallen on any of the K - 1 that may be too weak. Complete
    results are taken as a sample of fixed size; those of a race need evidence that may be watched.
    """
    rivals = [j for j in np.flatnonzero(allowed).tolist() if j != chosen and table.answered[j]]
    widest = Future(shown=True, margin_shown=0.0, against="", disagreement=0.0, gap=0.0, method="no rival")
    if not rivals:
        return widest
    if not table.complete:
        race = replay(table, evidence, goal, allowed)
        margin, who = race.margin_shown(table.names[chosen], finite=False)
        j = table.names.index(who) if who is not None else rivals[0]
        return _future(table, goal, chosen, j, margin, "anytime-valid betting", watched=True)
    alpha = goal.alpha_safe / len(rivals)
    intervals = [
        (gap_bound(table.scores[j], table.scores[chosen], table.clusters, alpha, evidence.seed), j) for j in rivals
    ]
    interval, j = max(intervals, key=lambda pair: pair[0].high)
    return _future(table, goal, chosen, j, interval.high, interval.method)


def _future(
    table: Table, goal: Goal, chosen: int, j: int, margin: float, method: str, *, watched: bool = False
) -> Future:
    difference = table.scores[j] - table.scores[chosen]
    difference = difference[~np.isnan(difference)]
    return Future(
        shown=margin <= goal.margin + TOLERANCE,
        margin_shown=margin,
        against=table.names[j],
        disagreement=float((difference**2).mean()) if difference.size else 0.2,
        gap=float(difference.mean()) if difference.size else 0.0,
        method=method,
        watched=watched,
        items=int(difference.size),
    )
