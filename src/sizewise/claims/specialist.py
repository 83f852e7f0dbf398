"""Claim 3: a distilled or specialized small model beats a larger generalist on its task, and loses elsewhere."""

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
from sizewise.claims.results import Contrast, Results

KEY = "specialist"
_NEEDS = "a small model trained on few skills (kind specialist), and a larger generalist"


def pairs(subjects: Sequence[Subject]) -> list[tuple[Group, Group]]:
    """Return (specialist, the next larger plain size)."""
    plain, found = plain_sizes(subjects), []
    for narrow in of_kind(subjects, "specialist"):
        above = [group for group in plain if group.total > 1.1 * narrow.total]
        if above and narrow.subjects[0].skills:
            found.append((narrow, above[0]))
    return found


def distilled(subjects: Sequence[Subject]) -> list[tuple[Group, Group, str]]:
    """Return (distilled, rival, what the rival is): the plain model of its size, and the next larger one."""
    plain, found = plain_sizes(subjects), []
    for student in of_kind(subjects, "distilled"):
        same = [group for group in plain if 0.9 < group.total / max(student.total, 1) < 1.1]
        above = [group for group in plain if group.total > 1.1 * student.total]
        found += [(student, group, "same size, not distilled") for group in same[:1]]
        found += [(student, group, "next larger, not distilled") for group in above[:1]]
    return found


def cut(subjects: Sequence[Subject]) -> list[tuple[Group, Group, str]]:
    """Return (pruned, rival, what the rival is): the plain sizes next below and next above it."""
    plain, found = plain_sizes(subjects), []
    for pruned in of_kind(subjects, "pruned"):
        below = [group for group in plain if group.total < 0.9 * pruned.total]
        above = [group for group in plain if group.total > 1.1 * pruned.total]
        found += [(pruned, group, "next smaller, trained from nothing") for group in below[-1:]]
        found += [(pruned, group, "next larger, not pruned") for group in above[:1]]
    return found


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask specialists, distilled and pruned models and their rivals every skill."""
    wide = [(one, other) for one, other, _ in (*distilled(subjects), *cut(subjects))]
    found = pairs(subjects)
    groups = list({group.name: group for pair in found + wide for group in pair}.values())
    return Plan(claim=KEY, asks=tuple(asks_of(groups, SKILLS, samples)), missing="" if found else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when a specialist is better on its skills and worse on the others, both for sure."""
    seeds = plain_sizes(subjects)
    rows, verdicts = [], []
    for narrow, wide in pairs(subjects):
        tasks = results.common([narrow, wide], results.general)
        own = [task for task in tasks if _skill(task) in narrow.subjects[0].skills]
        other = [task for task in tasks if task not in own]
        if own and other:
            home, away = (results.contrast(narrow, wide, part, seeds) for part in (own, other))
            verdicts.append((narrow, wide, own, home, away, tasks))
            label = f"{narrow.name} minus {wide.name}"
            rows.append(Row(label=f"{label}, its {len(own)} skills", estimate=home.estimate(), unit="score"))
            rows.append(Row(label=f"{label}, the other {len(other)}", estimate=away.estimate(), unit="score"))
    for student, rival, what in (*distilled(subjects), *cut(subjects)):
        tasks = results.common([student, rival], results.general)
        if tasks:
            gap = results.contrast(student, rival, tasks, seeds)
            rows.append(
                Row(label=f"{student.name} minus {rival.name}", estimate=gap.estimate(), unit="score", note=what)
            )
    if not verdicts:
        return not_measured(KEY, _NEEDS)
    findings = [_finding(home, away) for *_, home, away, _ in verdicts]
    best = findings.index(Finding.SUPPORTED) if Finding.SUPPORTED in findings else 0
    narrow, wide, own, home, away, tasks = verdicts[best]
    return Judgement(
        claim=KEY, finding=findings[best],
        words=f"{narrow.name} against {wide.name}, {wide.total / narrow.total:.1f} times larger: {home.value:+.3f} on "
        f"{', '.join(_skill(task) for task in own)}, {away.value:+.3f} elsewhere.",
        estimate=home.estimate(), unit="score on its skills, specialist minus generalist", rows=tuple(rows),
        trials=sum(results.count([*v[0].candidates, *v[1].candidates], v[5]) for v in verdicts),
        next_step="sizewise scaling evidence distillation",
    )  # fmt: skip


def _finding(home: Contrast, away: Contrast) -> Finding:
    at_home, elsewhere = home.estimate(), away.estimate()
    if at_home.low > 0 and elsewhere.high < 0:
        return Finding.SUPPORTED
    if at_home.high < 0 or elsewhere.low > 0:
        return Finding.REFUTED
    return Finding.UNDECIDED


def _skill(task: str) -> str:
    return task.removeprefix("skill:").split("@")[0]


CLAIM = Claim(
    key=KEY,
    number=3,
    says="A distilled or specialized small model beats a larger generalist on its task, and loses elsewhere.",
    refuted_by="the specialist being worse for sure on its own skills, or better for sure on the others",
    test="each specialist against the next larger plain size, on its own skills and on the others; beside it, "
    "not in the finding: distilled and pruned models against plain ones near their size",
    published=("distilled",),
    plan=plan,
    judge=judge,
    facts=("total", "kind", "skills"),
)
