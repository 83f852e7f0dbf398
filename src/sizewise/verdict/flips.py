"""Sensitivity: the smallest changes of price, margin or items that would change the choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sizewise.records import Goal
from sizewise.verdict.settle import TOLERANCE, means
from sizewise.verdict.table import Floats, Table

MOST_CLUSTERS = 5000


def what_flips(table: Table, goal: Goal, allowed: NDArray[np.bool_], chosen: int) -> tuple[str, ...]:
    """Return sentences, one a change; for complete results on these items."""
    mean, rows = means(table), np.flatnonzero(allowed)
    best = int(rows[np.argmax(mean[rows])])
    loss = mean[best] - mean
    return tuple(
        words
        for words in (
            _price(table, goal, loss, rows, chosen),
            _smaller_margin(table, goal, loss, rows, chosen),
            _larger_margin(table, goal, loss, rows, chosen),
            _without(table, goal, rows, chosen, best),
            *_clusters(table, goal, rows, chosen),
        )
        if words
    )


def _price(table: Table, goal: Goal, loss: Floats, rows: NDArray[np.intp], chosen: int) -> str:
    others = [m for m in rows.tolist() if m != chosen and loss[m] <= goal.margin + TOLERANCE]
    if not others or table.contenders[chosen].cost <= 0:
        return ""
    factor = table.contenders[others[0]].cost / table.contenders[chosen].cost
    return f"{table.names[chosen]} at more than {factor:.3g} times its cost: {table.names[others[0]]}"


def _smaller_margin(table: Table, goal: Goal, loss: Floats, rows: NDArray[np.intp], chosen: int) -> str:
    if loss[chosen] <= TOLERANCE:
        return ""
    instead = next(m for m in rows.tolist() if loss[m] < loss[chosen] - TOLERANCE)
    return f"a margin below {100 * loss[chosen]:.2f} points (now {100 * goal.margin:g}): {table.names[instead]}"


def _larger_margin(table: Table, goal: Goal, loss: Floats, rows: NDArray[np.intp], chosen: int) -> str:
    cheaper = [m for m in rows.tolist() if m < chosen]
    if not cheaper:
        return ""
    near = min(cheaper, key=lambda m: float(loss[m]))
    return f"a margin of {100 * loss[near]:.2f} points or more (now {100 * goal.margin:g}): {table.names[near]}"


def _pick(mean: Floats, goal: Goal, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the choice for each row of means (..., K) among the allowed rows."""
    floor = goal.min_score if goal.min_score is not None else 0.0
    part = mean[..., rows]
    good = (part >= part.max(axis=-1, keepdims=True) - goal.margin - TOLERANCE) & (part >= floor - TOLERANCE)
    picked: NDArray[np.intp] = rows[np.argmax(good, axis=-1)]
    return picked


def _without(table: Table, goal: Goal, rows: NDArray[np.intp], chosen: int, best: int) -> str:
    rest = rows[rows != best]
    if best == chosen or not rest.size:
        return ""
    instead = int(_pick(means(table), goal, rest))
    return "" if instead == chosen else f"without {table.names[best]} in the line-up: {table.names[instead]}"


def _clusters(table: Table, goal: Goal, rows: NDArray[np.intp], chosen: int) -> list[str]:
    if table.clusters is None:
        return []
    groups = int(table.clusters.max()) + 1
    if not 2 <= groups <= MOST_CLUSTERS:
        return []
    sums = np.array([np.bincount(table.clusters, weights=row, minlength=groups) for row in table.scores]).T
    sizes = np.bincount(table.clusters, minlength=groups)[:, None]
    picked = _pick((sums.sum(axis=0) - sums) / (sizes.sum() - sizes), goal, rows)
    flips = np.flatnonzero(picked != chosen)
    if not flips.size:
        return []
    first = int(flips[0])
    item = table.items[int(np.flatnonzero(table.clusters == first)[0])]
    more = f" (and {flips.size - 1} more clusters)" if flips.size > 1 else ""
    return [f"without the cluster of item {item}{more}: {table.names[int(picked[first])]}"]
