"""Claim 7: evaluation mismatch: the general average picks the wrong model for this job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    group_by,
    is_full,
    not_measured,
    plain_sizes,
)
from sizewise.claims.results import Contrast, Results, holm_any

KEY = "mismatch"
MARGIN = 0.05
"""A model this much worse on the job than the best is the wrong one (the default margin of a study)."""
_NEEDS = "at least three models that answered the same three tasks or more"


def models(subjects: Sequence[Subject]) -> list[Group]:
    """Return every unquantized model without retrieval, each recipe once."""
    own = [s for s in subjects if is_full(s) and s.candidate.retrieval == "none"]
    return group_by(own, _recipe)


def _recipe(subject: Subject) -> str:
    """Return what seeds of one recipe share."""
    kind = "base" if subject.kind == "seed" else subject.kind
    return f"{kind} {subject.size or subject.name} {subject.total} {subject.context_tokens} {','.join(subject.skills)}"


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask every unquantized model every skill."""
    found = models(subjects)
    return Plan(claim=KEY, asks=tuple(asks_of(found, SKILLS, samples)), missing="" if len(found) >= 3 else _NEEDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """What the general average picks for one job, and what the job itself would."""

    job: str
    by_average: Group
    by_job: Group
    regret: Contrast
    """Score on the job lost by the average's pick, on items that chose neither."""


def picks(groups: Sequence[Group], tasks: Sequence[str], results: Results, seeds: Sequence[Group]) -> list[Pick]:
    """Return a pick for each job.

    The average is over all other tasks. The job's own best is chosen on every other item of the job and the
    regret is measured on the rest, so that luck in choosing does not count as regret.
    """
    found = []
    for job in tasks:
        others = [task for task in tasks if task != job]
        average = max(groups, key=lambda g: float(np.mean([mean(results, g, task) for task in others])))
        choosing, judging = results.halves(job)
        best = max(groups, key=lambda g: mean(choosing, g, job))
        found.append(
            Pick(job=job, by_average=average, by_job=best, regret=judging.contrast(best, average, [job], seeds))
        )
    return found


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when for some job the average's pick is worse than the margin for sure (Holm over jobs)."""
    groups = [g for g in models(subjects) if g.candidates[0] in results.candidates]
    tasks = results.common(groups, results.general)
    if len(groups) < 3 or len(tasks) < 3:
        return not_measured(KEY, _NEEDS)
    found = picks(groups, tasks, results, plain_sizes(subjects))
    wrong = holm_any([_p_over_margin(pick.regret) for pick in found])
    safe = holm_any([_p_under_margin(pick.regret) for pick in found])
    finding = Finding.SUPPORTED if any(wrong) else Finding.REFUTED if all(safe) else Finding.UNDECIDED
    sure = [pick for pick, is_wrong in zip(found, wrong, strict=True) if is_wrong]
    worst = max(sure or found, key=lambda pick: pick.regret.value)
    rows = [_row(pick) for pick in sorted(found, key=lambda pick: -pick.regret.value)]
    plain = [g for g in plain_sizes(subjects) if g.candidates[0] in results.candidates]
    if 3 <= len(plain) < len(groups):
        alone = picks(plain, tasks, results, plain)
        rows.append(_row(max(alone, key=lambda pick: pick.regret.value), "plain sizes alone, most lost: "))
    return Judgement(
        claim=KEY, finding=finding,
        words=f"For {sum(wrong)} of {len(found)} jobs the average of the others picks a model over {MARGIN:g} worse "
        f"for sure; most: {worst.job}, {worst.by_average.name} instead of {worst.by_job.name}.",
        estimate=worst.regret.estimate(), unit="score lost on the job by the average's pick", rows=tuple(rows),
        trials=results.count([n for g in groups for n in g.candidates], tasks),
        caveats=_CAVEATS if any(s.kind == "specialist" for g in groups for s in g.subjects) else (),
        next_step="sizewise run --task YOURS.jsonl --model A --model B   (choose on the job itself)",
    )  # fmt: skip


_CAVEATS = ("the pool holds models made for few tasks on purpose; the last row is of the plain sizes alone",)


def _row(pick: Pick, before: str = "") -> Row:
    return Row(
        label=f"{before}{pick.job}", estimate=pick.regret.estimate(), unit="score lost",
        note=f"average picks {pick.by_average.name}, the job {pick.by_job.name}",
    )  # fmt: skip


def mean(results: Results, group: Group, task: str) -> float:
    """Return a recipe's mean score on a task, averaged over its seeds."""
    return float(np.mean([results.mean(name, task) for name in group.candidates]))


def _p_over_margin(regret: Contrast) -> float:
    return _shifted(regret, MARGIN)[0]


def _p_under_margin(regret: Contrast) -> float:
    return _shifted(regret, MARGIN)[1]


def _shifted(regret: Contrast, margin: float) -> tuple[float, float]:
    """Return the p values of "regret above the margin" and "below it"."""
    from scipy.stats import t

    if regret.se == 0:  # the average picks the job's own best: nothing is lost
        return 1.0, 0.0
    over = float(t.sf((regret.value - margin) / regret.se, regret.df))
    return over, 1.0 - over


CLAIM = Claim(
    key=KEY,
    number=7,
    says="The general average picks the wrong model for this job.",
    refuted_by=f"for every job the average's pick being less than {MARGIN:g} worse than the job's own best, for sure",
    test="every model answers every skill; each skill in turn is the job and the mean of the others the general "
    "average; regret is measured on items that chose nothing",
    published=("better_trained", "long_context"),
    plan=plan,
    judge=judge,
    changed="where the average picks the job's own best, nothing is lost for sure; that case at first counted "
    "as unknown, so that the claim could not have been refuted",
)
