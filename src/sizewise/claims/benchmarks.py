"""Claim 9: benchmarks fail to predict the production task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sizewise.claims import mismatch
from sizewise.claims.base import Claim, Finding, Group, Judgement, Plan, Row, Subject, not_measured, plain_sizes
from sizewise.claims.results import Results
from sizewise.records import Estimate, Source

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]
KEY = "benchmarks"
GOOD = 0.9
"""A benchmark predicts when it puts nine of ten pairs of models in the right order."""
_NEEDS = "at least five models that answered the same three tasks or more"
_DRAWS = 1000


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask what claim 7 asks."""
    found = mismatch.plan(subjects, samples)
    few = len(mismatch.models(subjects)) < 5
    return Plan(claim=KEY, asks=found.asks, missing=_NEEDS if few else "")


def agreement(scores: Array, differ: Booleans, task: int, weights: Array | None = None) -> float:
    """Return the weighted share of model pairs whose order on the task is that of the mean of the other tasks.

    `scores` (models, tasks); `differ` (models, models) says which pairs differ for sure on the task: only those
    count. Equal means count half; a pair's weight is the product of its models' weights. nan without pairs.

    >>> agreement(np.array([[0.1, 0.2, 0.1], [0.5, 0.6, 0.4]]), np.ones((2, 2), dtype=bool), 0)
    1.0
    """
    others = np.delete(scores, task, axis=1).mean(1)
    own = scores[:, task]
    weight = np.ones(len(own)) if weights is None else weights
    one, other = np.nonzero(np.triu(differ, 1))
    product = weight[one] * weight[other]
    signs = np.sign(own[one] - own[other]) * np.sign(others[one] - others[other])
    return float((product * (signs + 1) / 2).sum() / product.sum()) if one.size else float("nan")


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when the mean share of pairs in the right order is under nine in ten for sure."""
    groups = [g for g in mismatch.models(subjects) if g.candidates[0] in results.candidates]
    tasks = results.common(groups, results.general)
    if len(groups) < 5 or len(tasks) < 3:
        return not_measured(KEY, _NEEDS)
    scores = np.array([[mismatch.mean(results, g, task) for task in tasks] for g in groups])
    differ = [_differ(groups, task, results, plain_sizes(subjects)) for task in tasks]
    points = np.array([agreement(scores, differ[i], i) for i in range(len(tasks))])
    telling = np.flatnonzero(np.isfinite(points))
    if telling.size < 3:
        return not_measured(KEY, "at least three tasks on which some models differ for sure; more items would show it")
    draws = _reweighted(scores, differ, telling)
    mean = _interval(float(points[telling].mean()), np.nanmean(draws, axis=1))
    finding = Finding.SUPPORTED if mean.high < GOOD else Finding.REFUTED if mean.low >= GOOD else Finding.UNDECIDED
    order = sorted(range(telling.size), key=lambda k: points[telling[k]])
    rows = tuple(
        Row(
            label=tasks[telling[k]], estimate=_interval(float(points[telling[k]]), draws[:, k]), unit="share of pairs",
            note=f"{int(np.triu(differ[telling[k]], 1).sum())} pairs differ for sure",
        )
        for k in order
    )  # fmt: skip
    return Judgement(
        claim=KEY, finding=finding,
        words=f"The mean of the other tasks puts {100 * mean.value:.0f} % of the pairs of {len(groups)} models that "
        f"differ for sure in the task's order; least on {rows[0].label}, {100 * rows[0].estimate.value:.0f} %.",
        estimate=mean, unit="share of model pairs in the right order, mean over tasks", rows=rows,
        trials=results.count([n for g in groups for n in g.candidates], tasks),
        caveats=(f"{len(tasks) - telling.size} tasks on which no two models differ for sure are left out",),
        next_step="sizewise power --margin 0.05   (items of your own task that settle it)",
    )  # fmt: skip


def _differ(groups: Sequence[Group], task: str, results: Results, seeds: Sequence[Group]) -> Booleans:
    """Return which pairs of models differ on a task (two-sided 5 %), (models, models)."""
    table = np.zeros((len(groups), len(groups)), dtype=bool)
    for i, j in combinations(range(len(groups)), 2):
        contrast = results.contrast(groups[i], groups[j], [task], seeds)
        table[i, j] = table[j, i] = min(contrast.p_greater, contrast.p_less) < 0.025
    return table


def _reweighted(scores: Array, differ: Sequence[Booleans], telling: Indices) -> Array:
    """Return the agreement of each telling task under random weights on the models, (R, T).

    Models, not pairs, are what chance gives (Bayesian bootstrap).
    """
    rng = np.random.default_rng(len(scores))
    weights = rng.exponential(size=(_DRAWS, len(scores)))
    return np.array([[agreement(scores, differ[i], int(i), w) for i in telling] for w in weights])


def _interval(point: float, draws: Array) -> Estimate:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(
        value=point, low=max(0.0, min(float(low), point)), high=min(1.0, max(float(high), point)),
        source=Source.MEASURED, detail="95 %, models reweighted",
    )  # fmt: skip


CLAIM = Claim(
    key=KEY,
    number=9,
    says="Benchmarks fail to predict the production task.",
    refuted_by="the mean of the other tasks ordering nine of ten pairs of differing models as the task does, for sure",
    test="each skill in turn is the production task, the mean of the others the benchmark; share of the pairs of "
    "models that differ for sure on the task which the benchmark puts in the same order",
    published=("better_trained",),
    plan=plan,
    judge=judge,
    changed="pairs of models that do not differ for sure on the task are left out; at first they counted, and "
    "noise between equal models spoke for the claim",
)
