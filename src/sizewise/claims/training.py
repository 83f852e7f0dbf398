"""Claim 2: a better-trained smaller model beats a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

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
from sizewise.claims.results import Results, holm_any

KEY = "training"
ENOUGH = 2.0
"""How many times more tokens per parameter count as better trained, where models are not marked."""
_NEEDS = "a larger model trained on far fewer tokens than its size asks for (kind undertrained), or one trained longer"


def pairs(subjects: Sequence[Subject]) -> list[tuple[Group, Group]]:
    """Return (smaller and better trained, larger and less trained), fixed before anything is measured.

    Undertrained models stand against the largest plain size below them; overtrained ones against the next plain
    size above them. Where no model is marked as either (a study of public models), a smaller one stands against each
    larger one that saw at most half as many tokens per parameter.
    """
    plain, found = plain_sizes(subjects), []
    if not any(s.kind in ("undertrained", "overtrained") for s in subjects):
        known = [group for group in plain if group.subjects[0].tokens]
        return [
            (small, large) for small, large in combinations(known, 2)
            if small.total < 0.9 * large.total and _ratio(small) >= ENOUGH * _ratio(large)
        ]  # fmt: skip
    for weak in of_kind(subjects, "undertrained"):
        below = [group for group in plain if group.total < 0.9 * weak.total]
        if below:
            found.append((below[-1], weak))
    for strong in of_kind(subjects, "overtrained"):
        above = [group for group in plain if group.total > 1.1 * strong.total]
        if above:
            found.append((strong, above[0]))
    return found


def _ratio(group: Group) -> float:
    """Return training tokens per parameter."""
    return (group.subjects[0].tokens or 0.0) / group.total


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask both sides of every pair every skill."""
    found = pairs(subjects)
    groups = list({group.name: group for pair in found for group in pair}.values())
    return Plan(claim=KEY, asks=tuple(asks_of(groups, SKILLS, samples)), missing="" if found else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when a smaller, better-trained model is better for sure; refuted when each is worse for sure."""
    seeds = plain_sizes(subjects)
    measured = []
    for small, large in pairs(subjects):
        tasks = results.common([small, large], results.general)
        if tasks:
            measured.append((small, large, tasks, results.contrast(small, large, tasks, seeds)))
    if not measured:
        return not_measured(KEY, _NEEDS)
    better = holm_any([contrast.p_greater for *_, contrast in measured])
    worse = holm_any([contrast.p_less for *_, contrast in measured])
    if any(better):
        finding = Finding.SUPPORTED
    else:
        finding = Finding.REFUTED if all(worse) else Finding.UNDECIDED
    small, large, _, contrast = next((m for m, sure in zip(measured, better, strict=True) if sure), measured[0])
    rows = tuple(
        Row(label=f"{s.name} minus {b.name}", estimate=c.estimate(), unit="score", note=_training(s, b))
        for s, b, _, c in measured
    )
    return Judgement(
        claim=KEY, finding=finding,
        words=f"{small.name} against {large.name}, {large.total / small.total:.1f} times larger "
        f"({_training(small, large)}): {contrast.value:+.3f} mean score.",
        estimate=contrast.estimate(), unit="score, smaller minus larger", rows=rows,
        trials=sum(results.count([*s.candidates, *b.candidates], tasks) for s, b, tasks, _ in measured),
        next_step="sizewise scaling trained MODEL   (tokens per parameter of a public model)",
    )  # fmt: skip


def _training(small: Group, large: Group) -> str:
    one, other = (g.subjects[0].tokens for g in (small, large))
    if not one or not other or not small.total or not large.total:
        return "training tokens not known"
    return f"{one / small.total:,.0f} against {other / large.total:,.1f} tokens per parameter"


CLAIM = Claim(
    key=KEY,
    number=2,
    says="A better-trained smaller model beats a larger one.",
    refuted_by="every smaller, better-trained model of the listed pairs being worse for sure over all skills",
    test="an undertrained larger model against the largest plain size below it, an overtrained small one against the "
    "next plain size; all skills, same items",
    published=("better_trained", "more_tokens_hurts"),
    plan=plan,
    judge=judge,
    facts=("total", "tokens"),
)
