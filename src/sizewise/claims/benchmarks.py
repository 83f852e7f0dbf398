"""Claim 9: benchmarks fail to predict the production task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sizewise.claims import mismatch
from sizewise.claims.base import Claim, Finding, Group, Judgement, Plan, Row, Subject, not_measured
from sizewise.claims.results import Results
from sizewise.records import Estimate, Source

Array = NDArray[np.float64]
KEY = "benchmarks"
GOOD = 0.9
"""A benchmark predicts when it puts nine of ten pairs of models in the right order."""
_NEEDS = "at least five models that answered the same three tasks or more"
_DRAWS = 2000


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask what claim 7 asks."""
    found = mismatch.plan(subjects, samples)
    few = len(mismatch.models(subjects)) < 5
    return Plan(claim=KEY, asks=found.asks, missing=_NEEDS if few else "")


def agreement(scores: Array, task: int, weights: Array | None = None) -> float:
    """Return the weighted share of model pairs whose order on the task is that of the mean of the other tasks.

    `scores` (models, tasks). Ties count half; a pair's weight is the product of its models' weights.

    >>> agreement(np.array([[0.1, 0.2, 0.1], [0.5, 0.6, 0.4]]), 0)
    1.0
    """
    others = np.delete(scores, task, axis=1).mean(1)
    own = scores[:, task]
    weight = np.ones(len(own)) if weights is None else weights
    one, other = np.triu_indices(len(own), 1)
    product = weight[one] * weight[other]
    signs = np.sign(own[one] - own[other]) * np.sign(others[one] - others[other])
    return float((product * (signs + 1) / 2).sum() / product.sum())


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when the mean share of pairs in the right order is under nine in ten for sure."""
    groups = [g for g in mismatch.models(subjects) if g.candidates[0] in results.candidates]
    tasks = results.common(groups, results.general)
    if len(groups) < 5 or len(tasks) < 3:
        return not_measured(KEY, _NEEDS)
    points, draws = _bootstrap(groups, tasks, results)
    mean = _interval(float(points.mean()), draws.mean(1))
    each = [_interval(float(points[i]), draws[:, i]) for i in range(len(tasks))]
    finding = Finding.SUPPORTED if mean.high < GOOD else Finding.REFUTED if mean.low >= GOOD else Finding.UNDECIDED
    order = np.argsort(points)
    worst = tasks[int(order[0])]
    return Judgement(
        claim=KEY, finding=finding,
        words=f"The mean of the other tasks puts {100 * mean.value:.0f} % of the pairs of {len(groups)} models in "
        f"the order that the task has; least on {worst}, {100 * points.min():.0f} %.",
        estimate=mean, unit="share of model pairs in the right order, mean over tasks",
        rows=tuple(Row(label=tasks[i], estimate=each[i], unit="share of pairs") for i in order),
        trials=results.count([n for g in groups for n in g.candidates], tasks),
        caveats=("pairs that hardly differ count like others: measured scores carry noise, which lowers every share",),
        next_step="sizewise power --difference 0.05   (items of your own task that settle it)",
    )  # fmt: skip


def _bootstrap(groups: Sequence[Group], tasks: Sequence[str], results: Results) -> tuple[Array, Array]:
    """Return the agreement of each task (T,) and of draws (R, T) that reweight the models and redraw item noise.

    Models, not pairs, are what chance gives: they get exponential weights (Bayesian bootstrap). Item noise is a
    normal of each score's standard error.
    """
    rng = np.random.default_rng(len(groups))
    scores = np.array([[_score(results, g, task)[0] for task in tasks] for g in groups])
    errors = np.array([[_score(results, g, task)[1] for task in tasks] for g in groups])
    points = np.array([agreement(scores, i) for i in range(len(tasks))])
    draws = np.empty((_DRAWS, len(tasks)))
    for row in range(_DRAWS):
        weights = rng.exponential(size=len(groups))
        draws[row] = [agreement(scores, i, weights) for i in range(len(tasks))]
    noise = _noise_loss(scores, errors, rng)
    return points, draws + noise * rng.standard_normal(draws.shape) / np.sqrt(2)


def _noise_loss(scores: Array, errors: Array, rng: np.random.Generator) -> Array:
    """Return the standard deviation of each task's agreement under redrawn item noise, (T,)."""
    shaken = [scores + errors * rng.standard_normal(scores.shape) for _ in range(100)]
    return np.array([np.std([agreement(s, i) for s in shaken]) for i in range(scores.shape[1])])


def _score(results: Results, group: Group, task: str) -> tuple[float, float]:
    values = np.array(list(results.per_item(group, task).values()))
    return float(values.mean()), float(np.sqrt((values.var() + 0.25 / values.size) / values.size))


def _interval(point: float, draws: Array) -> Estimate:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(
        value=point, low=max(0.0, min(float(low), point)), high=min(1.0, max(float(high), point)),
        source=Source.MEASURED, detail="95 %, models reweighted, item noise redrawn",
    )  # fmt: skip


CLAIM = Claim(
    key=KEY,
    number=9,
    says="Benchmarks fail to predict the production task.",
    refuted_by="the mean of the other tasks ordering at least nine of ten pairs of models as the task does, for sure",
    test="each skill in turn is the production task, the mean of the others the benchmark; share of pairs of models "
    "in the same order on both",
    published=("better_trained",),
    plan=plan,
    judge=judge,
)
