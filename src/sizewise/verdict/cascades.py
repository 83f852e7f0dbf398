"""Small first, large when a signal is low: the best such policy that the same results support.

With a confidence per item, the threshold is chosen on four fifths of the items and judged on the rest, five times over.
Whether an answer has the form that was asked for (say, valid JSON) is a signal that needs no threshold.
Without either, the signal is the score itself, as a perfect check (tests that run) would give: an upper bound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sizewise.records import Cascade, Estimate, Goal, Source
from sizewise.stats.betting import Bets, Design, extend
from sizewise.stats.intervals import codes, mean_interval
from sizewise.stats.ratios import cost_per_success
from sizewise.stats.risk import accepted_in_order
from sizewise.verdict.settle import TOLERANCE, means
from sizewise.verdict.standing import ratio_estimate
from sizewise.verdict.table import Floats, Table

FOLDS = 5
THRESHOLDS = 20
FEWEST_ITEMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One pair with its signal, over items that both answered."""

    small: int
    large: int
    signal: str
    low: Floats
    """Signal per item; escalated below the threshold."""
    items: NDArray[np.intp]


def best_cascade(table: Table, goal: Goal, allowed: NDArray[np.bool_], seed: int) -> Cascade | None:
    """Return the cascade with the least cost per right answer among those within the margin of the best contender.

    None where there are fewer than two contenders or 50 common items, or no cascade reaches the margin.
    """
    mean = means(table)
    rows = [m for m in np.flatnonzero(allowed).tolist() if not np.isnan(mean[m])]
    if len(rows) < 2:
        return None
    target = float(mean[rows].max()) - goal.margin
    pairs = [(s, b) for s in rows for b in rows if table.contenders[s].cost < table.contenders[b].cost]
    measured = [p for s, b in pairs for make in (_confident, _well_formed) if (p := make(table, s, b)) is not None]
    best: tuple[float, Policy, Floats, float] | None = None
    for policy in measured or [p for s, b in pairs if (p := _verified(table, s, b)) is not None]:
        sent, threshold = _cross_validated(table, policy, target, seed)
        score, cost = _outcome(table, policy, sent)
        right = float(score.sum())
        if score.mean() < target - TOLERANCE or right <= 0:
            continue
        each = float(cost.sum()) / right
        if best is None or each < best[0]:
            best = (each, policy, sent, threshold)
    return None if best is None else _describe(table, goal, rows, best[1], best[2], best[3], seed)


def _common(table: Table, s: int, b: int) -> NDArray[np.intp]:
    return np.flatnonzero(~(np.isnan(table.scores[s]) | np.isnan(table.scores[b])))


def _confident(table: Table, s: int, b: int) -> Policy | None:
    signal = table.confidences.get(table.names[s])
    if signal is None:
        return None
    items = _common(table, s, b)
    items = items[~np.isnan(signal[items])]
    if items.size < FEWEST_ITEMS:
        return None
    return Policy(small=s, large=b, signal="confidence", low=signal[items], items=items)


def _well_formed(table: Table, s: int, b: int) -> Policy | None:
    """Return the policy that sends on answers of the wrong form; None where all or none of them have it."""
    items = _common(table, s, b)
    if table.valid is None or items.size < FEWEST_ITEMS:
        return None
    valid = table.valid[s, items]
    if np.isnan(valid).any() or bool((valid == valid[0]).all()):
        return None
    return Policy(small=s, large=b, signal="validity", low=valid, items=items)


def _verified(table: Table, s: int, b: int) -> Policy | None:
    items = _common(table, s, b)
    if items.size < FEWEST_ITEMS:
        return None
    return Policy(small=s, large=b, signal="verifier", low=table.scores[s, items], items=items)


def _outcome(table: Table, policy: Policy, sent: Floats) -> tuple[Floats, Floats]:
    """Return score and cost per item when the share `sent` (0 or 1) of each goes on to the large one."""
    small, large, items = policy.small, policy.large, policy.items
    score = np.where(sent > 0, table.scores[large, items], table.scores[small, items])
    cost = table.costs[small, items] + sent * table.costs[large, items]
    return score, cost


def _cross_validated(table: Table, policy: Policy, target: float, seed: int) -> tuple[Floats, float]:
    """Return for each item whether it is sent on by a threshold chosen without it, and the threshold of all items."""
    if policy.signal in ("verifier", "validity"):
        return (policy.low < 0.5).astype(np.float64), 0.5
    grid = np.unique(np.quantile(policy.low, np.linspace(0, 1, THRESHOLDS + 1)))
    grid = np.append(grid, np.inf)
    sent = policy.low[None, :] < grid[:, None]
    pairs = [_outcome(table, policy, row.astype(np.float64)) for row in sent]
    score, cost = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    units = codes(None if table.clusters is None else table.clusters[policy.items], policy.items.size)
    fold = np.random.default_rng(seed).permutation(int(units.max()) + 1)[units] % FOLDS
    chosen = np.zeros(policy.items.size)
    for number in range(FOLDS):
        train = fold != number
        pick = _cheapest(score[:, train], cost[:, train], target)
        chosen[~train] = sent[pick, ~train]
    return chosen, float(grid[_cheapest(score, cost, target)])


def _cheapest(score: Floats, cost: Floats, target: float) -> int:
    """Return the threshold with the least cost per right answer that reaches the target, or else the best score."""
    mean = score.mean(axis=1)
    good = mean >= target - TOLERANCE
    if not good.any():
        return int(np.argmax(mean))
    each = cost.sum(axis=1) / np.maximum(score.sum(axis=1), 1e-12)
    return int(np.argmin(np.where(good, each, np.inf)))


def _describe(
    table: Table, goal: Goal, rows: list[int], policy: Policy, sent: Floats, threshold: float, seed: int
) -> Cascade:
    score, cost = _outcome(table, policy, sent)
    clusters = None if table.clusters is None else table.clusters[policy.items]
    each = cost_per_success(cost, score, clusters)
    mean = means(table)
    bar = min(float(score.mean()), float(mean[rows].max())) - goal.margin - TOLERANCE
    singles = [
        float(np.nansum(table.costs[m] * _asked(table, m)) / np.nansum(table.scores[m]))
        for m in rows
        if mean[m] >= max(bar, TOLERANCE)
    ]
    names = table.names[policy.small], table.names[policy.large]
    return Cascade(
        small=names[0],
        large=names[1],
        signal=policy.signal,
        threshold=threshold,
        escalated=_mean(sent, clusters, seed),
        score=_mean(score, clusters, seed),
        cost_per_call=Estimate(
            value=float(cost.mean()),
            low=float(cost.mean() - 1.96 * cost.std() / np.sqrt(cost.size)),
            high=float(cost.mean() + 1.96 * cost.std() / np.sqrt(cost.size)),
            source=Source.MEASURED,
            detail=table.cost_unit,
        ),
        cost_per_success=ratio_estimate(each, table.cost_unit),
        better_than_single=bool(singles) and bool(sent.any()) and each.value < min(singles) * (1 - 1e-9),
        guarantee=_guarantee(table, goal, policy, threshold, sent),
        rule=_rule(names, policy.signal, threshold),
    )


def _asked(table: Table, m: int) -> Floats:
    asked: Floats = (~np.isnan(table.scores[m])).astype(np.float64)
    return asked


def _mean(values: Floats, clusters: NDArray[np.intp] | None, seed: int) -> Estimate:
    interval = mean_interval(values, clusters, seed=seed)
    return Estimate(
        value=interval.value, low=interval.low, high=interval.high, source=Source.MEASURED, detail=interval.method
    )


def _guarantee(table: Table, goal: Goal, policy: Policy, threshold: float, sent: Floats) -> str:
    if policy.signal == "verifier":
        return "upper bound: it takes a check that is never wrong, such as tests that run"
    if policy.signal == "validity":
        loss = table.scores[policy.large, policy.items] - _outcome(table, policy, sent)[0]
        return (
            "no threshold was chosen: an answer is sent on when it has not the form that was asked for; "
            f"on these items it scores {100 * loss.mean():.1f} points less than {table.names[policy.large]} alone"
        )
    safest = safe_threshold(table, goal, policy)
    words = f"threshold chosen by {FOLDS}-fold cross-validation; judged on items it was not chosen on"
    if safest is None:
        return (
            f"{words}; no threshold is shown to stay within {100 * goal.margin:g} points of {table.names[policy.large]}"
        )
    del sent
    side = "at or above" if threshold >= safest else "below"
    return (
        f"{words}; thresholds from {safest:.4g} up are shown to stay within {100 * goal.margin:g} points of "
        f"{table.names[policy.large]} at {100 * (1 - goal.alpha_safe):g} % (Learn then Test); this one is {side} that"
    )


def safe_threshold(table: Table, goal: Goal, policy: Policy) -> float | None:
    """Return the lowest threshold shown to lose at most the margin against the large contender on future items.

    Fixed-sequence testing from "send everything" down; each test is a bet on the loss, which is in [-1, 1].
    """
    grid = np.append(np.unique(np.quantile(policy.low, np.linspace(0, 1, THRESHOLDS + 1))), np.inf)[::-1]
    units = codes(None if table.clusters is None else table.clusters[policy.items], policy.items.size)
    sizes = np.bincount(units).astype(np.float64)
    large = table.scores[policy.large, policy.items]
    p_values = []
    for threshold in grid.tolist():
        score, _ = _outcome(table, policy, (policy.low < threshold).astype(np.float64))
        room = goal.margin * sizes - np.bincount(units, weights=large - score)
        design = Design(units=sizes.size, finite=False)
        least = -(1 - goal.margin) * float(sizes.max())
        path = extend(Bets.start(1), room[None, :], np.ones((1, sizes.size), dtype=bool), least, 0, design)
        p_values.append(float(np.exp(-max(0.0, float(path.max())))))
    accepted = accepted_in_order(p_values, goal.alpha_safe)
    return float(grid[accepted - 1]) if accepted else None


def _rule(names: tuple[str, str], signal: str, threshold: float) -> str:
    check = {"signal": signal, "at_least": None if np.isinf(threshold) else threshold}
    return json.dumps({"first": names[0], "accept_if": check, "else": names[1]})
