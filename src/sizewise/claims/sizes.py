"""Claim 1: more parameters always mean better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sizewise.claims.base import (
    SKILLS,
    Claim,
    Finding,
    Judgement,
    Plan,
    Row,
    Subject,
    asks_of,
    not_measured,
    plain_sizes,
)
from sizewise.claims.results import Results, holm_any

KEY = "size"
_NEEDS = "at least three plain sizes of one family, trained alike"


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask every plain size every skill."""
    groups = plain_sizes(subjects)
    return Plan(claim=KEY, asks=tuple(asks_of(groups, SKILLS, samples)), missing="" if len(groups) >= 3 else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Compare each size with the next larger one on each task; one certain reversal refutes "always"."""
    groups = plain_sizes(subjects)
    tasks = results.common(groups, results.general)
    if len(groups) < 2 or not tasks:
        return not_measured(KEY, _NEEDS)
    steps = [
        (task, small, large, results.contrast(large, small, [task], groups))
        for task in tasks
        for small, large in pairwise(groups)
    ]
    reversed_for_sure = holm_any([contrast.p_less for *_, contrast in steps])
    gained_for_sure = holm_any([contrast.p_greater for *_, contrast in steps])
    worst = min(steps, key=lambda step: step[3].value)
    count = sum(reversed_for_sure)
    if count:
        finding = Finding.REFUTED
    elif all(gained_for_sure):
        finding = Finding.SUPPORTED
    else:
        finding = Finding.UNDECIDED
    task, small, large, contrast = worst
    rows = [
        Row(
            label=f"{s.name} to {b.name}, all tasks",
            estimate=results.contrast(b, s, tasks, groups).estimate(),
            unit="score",
        )
        for s, b in pairwise(groups)
    ]
    rows += [
        Row(label=f"{t}: {s.name} to {b.name}", estimate=c.estimate(), unit="score", note="larger is worse")
        for (t, s, b, c), sure in zip(steps, reversed_for_sure, strict=True)
        if sure
    ]
    return Judgement(
        claim=KEY, finding=finding,
        words=f"Of {len(steps)} steps to the next size, {sum(gained_for_sure)} gained for sure, {count} lost for sure; "
        f"largest loss: {task}, {small.name} to {large.name}.",
        estimate=contrast.estimate(), unit="score gained by the larger, worst step", rows=tuple(rows),
        trials=results.count([n for g in groups for n in g.candidates], tasks),
        caveats=("the worst step is chosen by looking, its interval is for one step; the counts are corrected (Holm)",),
        next_step="sizewise run --task YOURS.jsonl --model SMALL --model LARGE",
    )  # fmt: skip


CLAIM = Claim(
    key=KEY,
    number=1,
    says="More parameters always mean better.",
    refuted_by="one step to a larger model of the same family and training that loses score on a task for sure "
    "(one-sided, Holm over all steps)",
    test="every plain size with all its seeds answers every skill; each size against the next on the same items",
    published=("family_nonmonotone",),
    plan=plan,
    judge=judge,
)
