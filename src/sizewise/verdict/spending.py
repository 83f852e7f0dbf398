"""What money buys: the front under uncertainty, and right answers for one and the same budget."""

from __future__ import annotations

import numpy as np

from sizewise.pareto import front_probability
from sizewise.records import Estimate, Source
from sizewise.stats.ratios import Ratio
from sizewise.verdict.table import Table


def front(table: Table, seed: int) -> dict[str, float]:
    """Return each contender's probability of being on the front of mean score against cost per call."""
    chance = front_probability([c.cost for c in table.contenders], table.scores, table.clusters, seed)
    return dict(zip(table.names, chance.tolist(), strict=True))


def equal_budget(table: Table, ratios: list[Ratio | None], budget: float | None = None) -> dict[str, Estimate]:
    """Return how many right answers each contender gives for a budget, in the table's cost unit.

    The default budget is what the dearest contender costs on all items.
    """
    if budget is None:
        budget = float(np.nanmax(np.nanmean(table.costs, axis=1))) * len(table.items)
    return {
        name: Estimate(
            value=budget / ratio.value if ratio.value > 0 else float("inf"),
            low=budget / ratio.high if ratio.high > 0 else float("inf"),
            high=budget / ratio.low if ratio.low > 0 else float("inf"),
            source=Source.MEASURED,
            detail=f"right answers for {budget:.4g} {table.cost_unit}; {ratio.method}",
        )
        for name, ratio in zip(table.names, ratios, strict=True)
        if ratio is not None
    }
