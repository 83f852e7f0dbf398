"""Claim 8: a mixture of experts is worth its total parameters."""

from __future__ import annotations

from collections.abc import Sequence

from sizewise.claims.base import (
    SKILLS,
    Claim,
    Finding,
    Group,
    Judgement,
    Plan,
    Row,
    Subject,
    asks_of,
    not_measured,
    of_kind,
    plain_sizes,
)
from sizewise.claims.results import Results

KEY = "experts"
MARGIN = 0.03
"""Within this of the dense twin counts as worth as much."""
NEAR = 1.3
"""A twin's size is within this factor of the total (or active) parameters."""
_NEEDS = "a mixture of experts with a dense twin of equal total and one of equal active parameters"


def triples(subjects: Sequence[Subject]) -> list[tuple[Group, Group, Group]]:
    """Return (mixture, dense twin of its total, dense twin of its active parameters)."""
    dense = of_kind(subjects, "dense twin") or plain_sizes(subjects)
    found = []
    for mixture in of_kind(subjects, "experts"):
        active = mixture.subjects[0].active or 0.0
        total_twin, active_twin = _nearest(dense, mixture.total), _nearest(dense, active)
        if total_twin is not None and active_twin is not None and total_twin.name != active_twin.name:
            found.append((mixture, total_twin, active_twin))
    return found


def _nearest(groups: Sequence[Group], size: float) -> Group | None:
    near = [g for g in groups if size and 1 / NEAR <= g.total / size <= NEAR]
    return min(near, key=lambda g: abs(g.total - size)) if near else None


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask the mixture and both twins every skill."""
    found = triples(subjects)
    groups = list({g.name: g for triple in found for g in triple}.values())
    return Plan(claim=KEY, asks=tuple(asks_of(groups, SKILLS, samples)), missing="" if found else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Refuted when the mixture is worse than the dense twin of its total by more than the margin for sure."""
    seeds = plain_sizes(subjects)
    for mixture, total_twin, active_twin in triples(subjects):
        tasks = results.common([mixture, total_twin, active_twin], results.general)
        if not tasks:
            continue
        to_total = results.contrast(mixture, total_twin, tasks, seeds)
        to_active = results.contrast(mixture, active_twin, tasks, seeds)
        gap = to_total.estimate()
        finding = Finding.UNDECIDED
        if gap.low > -MARGIN:
            finding = Finding.SUPPORTED
        elif gap.high < -MARGIN:
            finding = Finding.REFUTED
        rows = [
            Row(label=f"{mixture.name} minus {total_twin.name} (equal total)", estimate=gap, unit="score"),
            Row(
                label=f"{mixture.name} minus {active_twin.name} (equal active)",
                estimate=to_active.estimate(),
                unit="score",
            ),
        ]
        rows += [
            Row(
                label=f"{task}: mixture minus equal total",
                estimate=results.contrast(mixture, total_twin, [task], seeds).estimate(),
                unit="score",
            )
            for task in tasks
        ]
        return Judgement(
            claim=KEY, finding=finding,
            words=f"{mixture.name}: {to_total.value:+.3f} against the dense twin of its total, {to_active.value:+.3f} "
            "against the one of its active parameters.",
            estimate=gap, unit="score, mixture minus dense of equal total", rows=tuple(rows),
            trials=results.count([n for g in (mixture, total_twin, active_twin) for n in g.candidates], tasks),
            caveats=("one routing recipe at one size; published mixtures lie anywhere between active and total",),
            next_step="sizewise scaling experts --total 30B --active 3B",
        )  # fmt: skip
    return not_measured(KEY, _NEEDS)


CLAIM = Claim(
    key=KEY,
    number=8,
    says="A mixture of experts is worth its total parameters.",
    refuted_by=f"the mixture scoring more than {MARGIN:g} below a dense twin of equal total parameters, for sure",
    test="a mixture of experts against a dense twin of equal total and one of equal active parameters, trained on the "
    "same tokens; all skills, same items",
    published=("moe_vs_dense",),
    plan=plan,
    judge=judge,
    facts=("total", "active"),
)
