"""Claim 4: a small model with retrieval beats a large one without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sizewise.claims.base import (
    Claim,
    Finding,
    Group,
    Judgement,
    Plan,
    Row,
    Subject,
    asks_of,
    is_full,
    not_measured,
    plain_sizes,
    skill_ref,
    task_name,
    with_retrieval,
)
from sizewise.claims.results import Results, holm_any

KEY = "retrieval"
SKILL = "recall"
ARMS = ("given", "distractors")
_NEEDS = "two sizes, a task of facts whose passages are known, and the small size run with them"


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask every size the facts from memory, and every size but the largest with the passage and with distractors."""
    groups = plain_sizes(subjects)
    asks = asks_of(groups, [SKILL], samples)
    for arm in ARMS:
        asks += asks_of(groups[:-1], [SKILL], samples, retrieval=arm)
    return Plan(claim=KEY, asks=tuple(asks), missing="" if len(groups) >= 2 else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when a smaller size with passages is better for sure than the largest without (Holm over all)."""
    groups = plain_sizes(subjects)
    task = task_name(skill_ref(SKILL, 1))
    tasks = [task] if task in results.tasks else list(results.tasks)
    measured = []
    for small in groups[:-1]:
        for helped in with_passages(small, subjects):
            shared = results.common([helped, groups[-1]], tasks)
            if shared:
                measured.append((small, helped, shared, results.contrast(helped, groups[-1], shared, groups)))
    if not measured:
        return not_measured(KEY, _NEEDS)
    better = holm_any([contrast.p_greater for *_, contrast in measured])
    worse = holm_any([contrast.p_less for *_, contrast in measured])
    finding = Finding.SUPPORTED if any(better) else Finding.REFUTED if all(worse) else Finding.UNDECIDED
    small, helped, _, contrast = next((m for m, sure in zip(measured, better, strict=True) if sure), measured[-1])
    large = groups[-1]
    rows = tuple(
        Row(label=f"{h.name} minus {large.name}", estimate=c.estimate(), unit="score") for _, h, _, c in measured
    )
    alone = [group.candidates for group in groups]
    names = [name for names in (*alone, *(h.candidates for _, h, *_ in measured)) for name in names]
    return Judgement(
        claim=KEY, finding=finding,
        words=f"{helped.name} against {large.name} from memory, {large.total / small.total:.0f} times larger: "
        f"{contrast.value:+.3f}.",
        estimate=contrast.estimate(), unit="score, small with retrieval minus largest without", rows=rows,
        trials=results.count(names, tasks),
        caveats=("training showed these facts to all sizes; facts it never showed would favour retrieval more",),
        next_step="sizewise tasks retrieval   (the pack for served models)",
    )  # fmt: skip


def with_passages(small: Group, subjects: Sequence[Subject]) -> list[Group]:
    """Return the same models given passages: a study's own candidates, else the arms that the plan adds."""
    models = {s.candidate.model for s in small.subjects}
    own = [s for s in subjects if s.candidate.model in models and s.candidate.retrieval != "none" and is_full(s)]
    if own:
        arms = dict.fromkeys(s.candidate.retrieval for s in own)
        groups = {arm: tuple(s for s in own if s.candidate.retrieval == arm) for arm in arms}
        return [Group(name=f"{small.name} + {arm}", subjects=members) for arm, members in groups.items()]
    return [
        Group(
            name=f"{small.name} + {arm}",
            subjects=tuple(replace(s, candidate=with_retrieval(s.candidate, arm)) for s in small.subjects),
        )
        for arm in ARMS
    ]


CLAIM = Claim(
    key=KEY,
    number=4,
    says="A small model with retrieval beats a large one without.",
    refuted_by="every smaller size, with the right passage given or among distractors, being worse for sure than the "
    "largest from memory",
    test="facts from memory at every size; the same questions with the right passage, and with distractors, at every "
    "size but the largest",
    published=("retrieval",),
    plan=plan,
    judge=judge,
    facts=("total",),
)
