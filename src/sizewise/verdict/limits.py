"""The goal's limits: which contenders break one, and by how much.

Figures come from a load test where there is one, else from the trials, else from the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sizewise.records import Evidence, Goal
from sizewise.stats.ratios import Ratio
from sizewise.units import format_bytes, format_percent, format_seconds, format_usd
from sizewise.verdict.settle import TOLERANCE
from sizewise.verdict.standing import success_costs
from sizewise.verdict.table import Table, read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of the goal against one contender's figure."""

    row: int
    name: str
    value: float | None
    """None where nobody measured or predicted it."""
    bound: float
    at_most: bool
    show: Callable[[float], str]

    @property
    def excess(self) -> float:
        """Return how far beyond the bound the figure is, as a share of the bound; 0 where it is kept or unknown."""
        if self.value is None:
            return 0.0
        over = self.value - self.bound if self.at_most else self.bound - self.value
        return max(0.0, over) / max(abs(self.bound), 1e-12)

    def words(self, candidate: str) -> str:
        """Return the sentence that says by how much the limit is broken."""
        side = "above" if self.at_most else "below"
        value = "unknown" if self.value is None else self.show(self.value)
        return (
            f"{candidate}: {self.name} {value} is {side} the limit {self.show(self.bound)} by {100 * self.excess:.0f} %"
        )


def check_limits(table: Table, evidence: Evidence, goal: Goal, ratios: Sequence[Ratio | None]) -> list[Limit]:
    """Return every limit of the goal for every contender, kept or not."""
    limits: list[Limit] = []
    for m, name in enumerate(table.names):
        for what, bound, at_most, show, figure in _asked(goal):
            value = figure(table, evidence, ratios, m, name)
            known = value is not None and not np.isnan(value)
            limits.append(
                Limit(row=m, name=what, value=value if known else None, bound=bound, at_most=at_most, show=show)
            )
    return limits


def limit_breakers(evidence: Evidence, goal: Goal) -> dict[str, str]:
    """Return contender -> the sentence about the limit that it breaks, for those that break one."""
    table = read_table(evidence)
    limits = check_limits(table, evidence, goal, success_costs(table))
    return {
        name: limit.words(name) for limit in limits if limit.excess > TOLERANCE for name in [table.names[limit.row]]
    }


Figure = Callable[[Table, Evidence, Sequence[Ratio | None], int, str], float | None]


def _asked(goal: Goal) -> list[tuple[str, float, bool, Callable[[float], str], Figure]]:
    rows: list[tuple[str, float | None, bool, Callable[[float], str], Figure]] = [
        ("time to first token (p95)", goal.max_ttft_p95_s, True, format_seconds, _ttft),
        ("time of an answer (p95)", goal.max_total_p95_s, True, format_seconds, _total),
        ("memory", goal.max_memory_bytes, True, format_bytes, _memory),
        ("cost per right answer", goal.max_usd_per_success, True, format_usd, _per_success),
        ("share of valid answers", goal.min_validity, False, format_percent, _share_of("valid")),
        ("share of truncated answers", goal.max_truncation, True, format_percent, _share_of("truncated")),
        ("share of refusals", goal.max_refusal, True, format_percent, _share_of("refused")),
        ("share of made-up answers", goal.max_hallucination, True, format_percent, _share_of("hallucinated")),
    ]
    return [(name, bound, at_most, show, figure) for name, bound, at_most, show, figure in rows if bound is not None]


def _share_of(name: str) -> Figure:
    def figure(table: Table, _: Evidence, __: Sequence[Ratio | None], m: int, ___: str) -> float | None:
        shares = table.shares.get(name)
        return None if shares is None else float(shares[m])

    return figure


def _per_success(_: Table, __: Evidence, ratios: Sequence[Ratio | None], m: int, ___: str) -> float | None:
    ratio = ratios[m]
    return None if ratio is None else ratio.value


def _measured(evidence: Evidence, candidate: str, *keys: str) -> float | None:
    for measurement in reversed(evidence.measurements):
        if measurement.candidate == candidate:
            for key in keys:
                if key in measurement.values:
                    return measurement.values[key].value
    return None


def _ttft(_: Table, evidence: Evidence, __: Sequence[Ratio | None], ___: int, name: str) -> float | None:
    value = _measured(evidence, name, "ttft_p95_s")
    times = [t.timing.ttft_s for t in evidence.trials if t.key.candidate == name and t.timing.ttft_s is not None]
    return value if value is not None else _p95(times)


def _total(_: Table, evidence: Evidence, __: Sequence[Ratio | None], ___: int, name: str) -> float | None:
    value = _measured(evidence, name, "total_p95_s")
    times = [t.timing.total_s for t in evidence.trials if t.key.candidate == name and t.error is None]
    return value if value is not None else _p95(times)


def _p95(times: Sequence[float]) -> float | None:
    return float(np.quantile(times, 0.95)) if times else None


def _memory(_: Table, evidence: Evidence, __: Sequence[Ratio | None], ___: int, name: str) -> float | None:
    value = _measured(evidence, name, "memory_bytes", "peak_memory_bytes")
    if value is not None:
        return value
    return next((p.memory_bytes.value for p in evidence.predictions if p.candidate == name), None)
