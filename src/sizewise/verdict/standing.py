"""One line per contender: score with its interval, shares, loss to the best, cost per success."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sizewise.records import Estimate, Source, Standing
from sizewise.stats.intervals import mean_interval, watched_interval
from sizewise.stats.paired import paired_difference
from sizewise.stats.ratios import Ratio, cost_per_success
from sizewise.verdict.table import Floats, Table


def success_costs(table: Table) -> list[Ratio | None]:
    """Return the cost of one right answer for each contender; None where nothing was answered."""
    ratios: list[Ratio | None] = []
    for m in range(len(table.names)):
        seen = ~np.isnan(table.scores[m]) & ~np.isnan(table.costs[m])
        if not seen.any():
            ratios.append(None)
            continue
        clusters = None if table.clusters is None else table.clusters[seen]
        ratios.append(cost_per_success(table.costs[m, seen], table.scores[m, seen], clusters))
    return ratios


def ratio_estimate(ratio: Ratio, unit: str) -> Estimate:
    """Return a ratio as an estimate; an unbounded one says so."""
    unit = f"{unit.removesuffix(' per call')} per right answer"
    bound = "" if ratio.bounded else ", unbounded: too few right answers to give an upper limit"
    return Estimate(
        value=ratio.value,
        low=ratio.low,
        high=ratio.high,
        source=Source.MEASURED,
        detail=f"{unit}, {ratio.method}{bound}",
    )


def standings(
    table: Table, reference: int | None, dropped: Mapping[int, str], ratios: list[Ratio | None], seed: int
) -> tuple[Standing, ...]:
    """Return one standing a contender, cheapest first; the loss is against `reference` on common items."""
    lines = []
    for m, contender in enumerate(table.contenders):
        ratio = ratios[m]
        lines.append(
            Standing(
                candidate=contender.name,
                cost=contender.cost,
                answered=int(table.answered[m]),
                planned=len(table.items),
                score=_score(table.scores[m], table, seed),
                score_completed=None if table.completed is None else _score(table.completed[m], table, seed),
                valid_share=_share(table, "valid", m),
                truncated_share=_share(table, "truncated", m),
                refused_share=_share(table, "refused", m),
                hallucinated_share=_share(table, "hallucinated", m),
                error_share=_share(table, "error", m),
                loss_to_best=_loss(table, m, reference, seed),
                cost_per_success=None if ratio is None else ratio_estimate(ratio, table.cost_unit),
                per_success=_per_success(table, m),
                dropped=dropped.get(m),
            )
        )
    return tuple(lines)


def _per_success(table: Table, m: int) -> dict[str, Estimate]:
    """Return tokens, seconds and joules for one right answer; a quantity that some answer lacks is left out."""
    seen = ~np.isnan(table.scores[m])
    clusters = None if table.clusters is None else table.clusters[seen]
    return {
        name: ratio_estimate(cost_per_success(values[m, seen], table.scores[m, seen], clusters), name)
        for name, values in table.spent.items()
        if seen.any() and not np.isnan(values[m, seen]).any()
    }


def _share(table: Table, name: str, m: int) -> float | None:
    shares = table.shares.get(name)
    return None if shares is None or np.isnan(shares[m]) else float(shares[m])


def _score(values: Floats, table: Table, seed: int) -> Estimate:
    seen = ~np.isnan(values)
    if not seen.any():
        return Estimate(value=float("nan"), low=0.0, high=1.0, source=Source.MEASURED, detail="no answer")
    if table.complete or table.clusters is not None:
        clusters = None if table.clusters is None else table.clusters[seen]
        interval = mean_interval(values[seen], clusters, seed=seed)
    else:
        interval = watched_interval(values[seen])
    return Estimate(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        source=Source.MEASURED,
        detail=f"{interval.method}, for future items like these",
    )


def _loss(table: Table, m: int, reference: int | None, seed: int) -> Estimate | None:
    if reference is None or not (~np.isnan(table.scores[m]) & ~np.isnan(table.scores[reference])).any():
        return None
    if m == reference:
        return Estimate(value=0.0, low=0.0, high=0.0, source=Source.MEASURED, detail="the reference itself")
    interval = paired_difference(table.scores[reference], table.scores[m], table.clusters, seed=seed)
    return Estimate(
        value=interval.value,
        low=max(interval.low, -1.0),
        high=min(interval.high, 1.0),
        source=Source.MEASURED,
        detail=interval.method,
    )
