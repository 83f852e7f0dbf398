"""Claim 5: longer reliable context beats size."""

from __future__ import annotations

from collections.abc import Sequence

from sizewise.claims.base import (
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
    skill_ref,
    task_name,
)
from sizewise.claims.results import Results, holm_any

KEY = "context"
SKILL = "needle"
BYTES = {2: 160, 3: 384, 4: 768}
"""Level -> length of the text; the last is longer than the plain models were trained on."""
LEVELS = tuple(BYTES)
FAR = 4
_NEEDS = "a small model trained for a long context (kind context) and a larger one trained for a short context"


def pairs(subjects: Sequence[Subject]) -> list[tuple[Group, Group]]:
    """Return (long-context model, larger plain size with a shorter context)."""
    found = []
    for long in of_kind(subjects, "context"):
        reach = long.subjects[0].context_tokens or 0
        larger = [
            g
            for g in plain_sizes(subjects)
            if g.total > 1.1 * long.total and (g.subjects[0].context_tokens or 0) < reach
        ]
        found += [(long, group) for group in larger]
    return found


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask context twins and plain sizes for a code hidden in texts of three lengths."""
    groups = of_kind(subjects, "context") + plain_sizes(subjects)
    asks = [ask for level in LEVELS for ask in asks_of(groups, [SKILL], samples, level=level)]
    return Plan(claim=KEY, asks=tuple(asks), missing="" if pairs(subjects) else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when a long-context model beats a larger one on the longest texts for sure."""
    seeds = plain_sizes(subjects)
    far = longest(results)
    measured = [
        (long, large, results.contrast(long, large, tasks, seeds))
        for long, large in pairs(subjects)
        if (tasks := results.common([long, large], far))
    ]
    if not measured:
        return not_measured(KEY, _NEEDS)
    better = holm_any([contrast.p_greater for *_, contrast in measured])
    worse = holm_any([contrast.p_less for *_, contrast in measured])
    finding = Finding.SUPPORTED if any(better) else Finding.REFUTED if all(worse) else Finding.UNDECIDED
    at = better.index(True) if any(better) else 0
    long, large, contrast = measured[at]
    rows = [Row(label=f"{s.name} minus {b.name}, {_FAR}", estimate=c.estimate(), unit="score") for s, b, c in measured]
    narrow = f"{long.name} was trained on {', '.join(long.subjects[0].skills)} alone: part of its lead is that"
    return Judgement(
        claim=KEY, finding=finding,
        words=f"{long.name} (context {long.subjects[0].context_tokens}) against {large.name} "
        f"(context {large.subjects[0].context_tokens}), {large.total / long.total:.1f} times larger, on "
        f"{_FAR}: {contrast.value:+.3f}.",
        estimate=contrast.estimate(), unit=f"score on {_FAR}, long context minus larger",
        rows=(*rows, *_beside(long, large, subjects, results, far)),
        trials=results.count([n for s, b, _ in measured for n in (*s.candidates, *b.candidates)], _asked(results)),
        caveats=("every engine was given room for the text: what is tested is the model, not its limit setting",)
        + ((narrow,) if long.subjects[0].skills else ()),
        next_step="sizewise run --task long_context --model NAME@URL",
    )  # fmt: skip


_FAR = "the longest texts"


def longest(results: Results) -> list[str]:
    """Return the tasks of the longest texts: the shipped skill at 768 bytes, else those called long."""
    far = task_name(skill_ref(SKILL, 1, FAR))
    return [far] if far in results.tasks else [task for task in results.tasks if "long" in task.lower()]


def _asked(results: Results) -> list[str]:
    return [*dict.fromkeys([*longest(results), *(task_name(skill_ref(SKILL, 1, level)) for level in LEVELS)])]


def _beside(long: Group, large: Group, subjects: Sequence[Subject], results: Results, far: Sequence[str]) -> list[Row]:
    """Return the same two on shorter texts, and the twin that was trained on short ones."""
    seeds, rows = plain_sizes(subjects), []
    for level in LEVELS[:-1]:
        near = task_name(skill_ref(SKILL, 1, level))
        if results.common([long, large], [near]):
            gap = results.contrast(long, large, [near], seeds).estimate()
            label = f"{long.name} minus {large.name}, {BYTES[level]} bytes"
            rows.append(Row(label=label, estimate=gap, unit="score"))
    for short in of_kind(subjects, "context"):
        shared = results.common([short, long], far)
        if shared and (short.subjects[0].context_tokens or 0) < (long.subjects[0].context_tokens or 0):
            gap = results.contrast(long, short, shared, seeds).estimate()
            rows.append(Row(label=f"{long.name} minus its short twin, {_FAR}", estimate=gap, unit="score"))
    return rows


CLAIM = Claim(
    key=KEY,
    number=5,
    says="Longer reliable context beats size.",
    refuted_by="every larger short-context model being better for sure than the long-context one on texts longer than "
    "its training",
    test="a code hidden in texts of 160, 384 and 768 bytes; a small model trained for long texts against larger ones "
    "that were not",
    published=("long_context",),
    plan=plan,
    judge=judge,
    facts=("total", "context", "kind"),
)
