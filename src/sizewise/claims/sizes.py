"""Claim 1: more parameters always mean better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

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
    """Compare every two sizes on each task and on all; one certain reversal refutes "always"."""
    groups = plain_sizes(subjects)
    tasks = results.common(groups, results.general)
    if len(groups) < 2 or not tasks:
        return not_measured(KEY, _NEEDS)
    parts = [("all tasks", tasks)] + [(task, [task]) for task in tasks] * (len(tasks) > 1)
    steps = [
        (name, small, large, results.contrast(large, small, part, groups))
        for name, part in parts
        for small, large in combinations(groups, 2)
    ]
    lost = holm_any([contrast.p_less for *_, contrast in steps])
    gained = holm_any([contrast.p_greater for *_, contrast in steps])
    finding = Finding.REFUTED if any(lost) else Finding.SUPPORTED if all(gained) else Finding.UNDECIDED
    sure = [step for step, certain in zip(steps, lost, strict=True) if certain]
    task, small, large, contrast = min(sure or steps, key=lambda step: step[3].value)
    rows = [
        Row(label=f"{name}: {s.name} to {b.name}", estimate=c.estimate(), unit="score gained by the larger", note=note)
        for (name, s, b, c), note in zip(steps, [_NOTES[a, b] for a, b in zip(gained, lost, strict=True)], strict=True)
        if name == "all tasks" or note == "lost for sure"
    ]
    return Judgement(
        claim=KEY, finding=finding,
        words=f"Of {len(steps)} comparisons of two sizes, the larger gained for sure in {sum(gained)} and lost for "
        f"sure in {sum(lost)}; largest loss: {task}, {small.name} to {large.name}.",
        estimate=contrast.estimate(), unit="score gained by the larger, largest loss", rows=tuple(rows),
        trials=results.count([n for g in groups for n in g.candidates], tasks),
        caveats=("the largest loss is chosen by looking, its interval is for one comparison; counts are corrected",),
        next_step="sizewise run --task YOURS.jsonl --model SMALL --model LARGE",
    )  # fmt: skip


_NOTES = {(True, False): "gained for sure", (False, True): "lost for sure", (False, False): ""}


CLAIM = Claim(
    key=KEY,
    number=1,
    says="More parameters always mean better.",
    refuted_by="one larger model of the same family and training that is worse than a smaller one, on a task or over "
    "all, for sure (one-sided, Holm over all comparisons)",
    test="every plain size with all its seeds answers every skill; every two sizes are compared on the same items",
    published=("family_nonmonotone",),
    plan=plan,
    judge=judge,
    facts=("total",),
    changed="at first each size was compared with the next one alone; every two sizes are compared now, so "
    "that a reversal between sizes that are not neighbours shows too",
)
