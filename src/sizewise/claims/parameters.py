"""Claim 10: the parameter count is the best single predictor of what a model does.

A table: for each outcome (ceiling, task success, speed, cost, long texts, made-up answers, refusals, memory) how
much of the variance between models the logarithm of the parameter count explains, beside training compute,
training tokens and tokens per parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sizewise.claims import mismatch
from sizewise.claims.base import (
    SKILLS,
    Ask,
    Claim,
    Finding,
    Group,
    Judgement,
    Plan,
    Row,
    Subject,
    asks_of,
    not_measured,
    skill_ref,
    task_name,
)
from sizewise.claims.results import Results
from sizewise.records import Estimate, Source, Trial

Array = NDArray[np.float64]
KEY = "parameters"
_NEEDS = "at least six models of known parameters and training tokens that answered the same tasks"
_UNKNOWN = ("unanswerable", "recall_unknown")
_DRAWS = 1000
_MULTIPLICATIVE = frozenset(
    {"latency (seconds per answer)", "cost (seconds per right answer)", "on-device memory (bytes of the file)"}
)
"""Outcomes that grow by factors: their logarithm is explained."""


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask every unquantized model every skill, the unanswerable questions and the long texts."""
    groups = mismatch.models(subjects)
    asks: list[Ask] = asks_of(groups, (*SKILLS, *_UNKNOWN), samples) + asks_of(groups, ["needle"], samples, level=3)
    return Plan(claim=KEY, asks=tuple(asks), missing="" if len(_known(subjects)) >= 6 else _NEEDS)


def _known(subjects: Sequence[Subject]) -> list[Subject]:
    """Return the models whose whole training is known; a pruned one's leaves out what its parent learnt."""
    found = [s for group in mismatch.models(subjects) for s in group.subjects]
    return [s for s in found if s.total and s.tokens and s.active and s.kind != "pruned"]


PREDICTORS: dict[str, Callable[[Subject], float | None]] = {
    "parameters": lambda s: s.total,
    "training compute": lambda s: 6 * s.active * s.tokens if s.active and s.tokens else None,
    "training tokens": lambda s: s.tokens,
    "tokens per parameter": lambda s: s.tokens / s.active if s.active and s.tokens else None,
}
"""What might predict an outcome; each enters as its logarithm."""


def outcomes(subject: Subject, results: Results) -> dict[str, float]:
    """Return what was measured of one model, by outcome; nan where nothing was."""
    own = [t for t in results.trials if t.key.candidate == subject.name]
    means = [
        results.mean(subject.name, task)
        for task in results.common([Group(name="", subjects=(subject,))], results.general)
    ]
    return {
        "capability ceiling (best task)": max(means, default=float("nan")),
        "task success (mean)": float(np.mean(means)) if means else float("nan"),
        "latency (seconds per answer)": _median([t.timing.total_s for t in own if t.error is None]),
        "cost (seconds per right answer)": _per_success(own),
        "long-context reliability": results.mean(subject.name, task_name(skill_ref("needle", 1, 3))),
        "made-up answers": _share(
            [t for t in own if _is_unknown(t.task)], lambda t: bool(t.score and t.score.hallucinated)
        ),
        "refusal rule kept": results.mean(subject.name, task_name(skill_ref("refuse", 1))),
        "on-device memory (bytes of the file)": float(subject.file_bytes or float("nan")),
    }


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when parameters explain more of task success than training compute does, for sure; else refuted."""
    known = [s for s in _known(subjects) if s.name in results.candidates]
    if len(known) < 6:
        return not_measured(KEY, _NEEDS)
    table = [outcomes(subject, results) for subject in known]
    members = np.unique([s.member or s.name for s in known], return_inverse=True)[1]
    rng = np.random.default_rng(len(known))
    weights = rng.exponential(size=(_DRAWS, int(members.max()) + 1))[:, members]
    rows, headline = [], None
    for outcome in table[0]:
        y = np.array([row[outcome] for row in table])
        if outcome in _MULTIPLICATIVE:
            y = np.log(y)
        if np.isfinite(y).sum() < 6 or np.nanstd(y) == 0:
            continue
        explained = {name: _explained(_column(known, get), y, weights) for name, get in PREDICTORS.items()}
        rows += [
            Row(label=f"{outcome}: {name}", estimate=_interval(point, draws), unit="share of variance")
            for name, (point, draws) in explained.items()
        ]
        if outcome.startswith("task success"):
            one, other = explained["parameters"], explained["training compute"]
            headline = _interval(one[0] - other[0], one[1] - other[1])
    if headline is None:
        return not_measured(KEY, _NEEDS)
    finding = Finding.SUPPORTED if headline.low > 0 else Finding.REFUTED if headline.high < 0 else Finding.UNDECIDED
    best = {row.label.split(": ")[0]: row for row in sorted(rows, key=lambda r: r.estimate.value)}
    won = sum(row.label.endswith(": parameters") for row in best.values())
    return Judgement(
        claim=KEY, finding=finding,
        words=f"Parameters are the best of {len(PREDICTORS)} predictors for {won} of {len(best)} outcomes; for task "
        f"success they explain {headline.value:+.2f} of the variance more than training compute.",
        estimate=headline, unit="variance of task success explained, parameters minus training compute",
        rows=tuple(rows),
        trials=results.count([s.name for s in known], results.tasks),
        caveats=(
            f"{len(known)} models of one family, some starved or narrowed on purpose: shares depend on that choice",
            "variance explained by a straight line in the logarithm; times are of two models answering side by side",
        ),
        next_step="sizewise scaling prior --ratio 2   (the same question over public families)",
    )  # fmt: skip


def _column(known: Sequence[Subject], get: Callable[[Subject], float | None]) -> Array:
    return np.log(np.array([get(subject) or float("nan") for subject in known], dtype=np.float64))


def _explained(x: Array, y: Array, weights: Array) -> tuple[float, Array]:
    """Return the squared correlation of x and y, and that of every reweighting (R, models)."""
    seen = np.isfinite(x) & np.isfinite(y)

    def r2(w: Array) -> Array:
        w = w[:, seen] / w[:, seen].sum(1, keepdims=True)
        dx, dy = x[seen] - (w @ x[seen])[:, None], y[seen] - (w @ y[seen])[:, None]
        top, sx, sy = (w * dx * dy).sum(1), (w * dx * dx).sum(1), (w * dy * dy).sum(1)
        return np.asarray(top * top / np.maximum(sx * sy, 1e-300))

    return float(r2(np.ones((1, x.size)))[0]), r2(weights)


def _interval(point: float, draws: Array) -> Estimate:
    low, high = (float(v) for v in np.quantile(draws, (0.025, 0.975)))
    return Estimate(
        value=point,
        low=min(low, point),
        high=max(high, point),
        source=Source.MEASURED,
        detail="95 %, models reweighted",
    )


def _is_unknown(task: str) -> bool:
    return task.removeprefix("skill:") in _UNKNOWN


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def _share(trials: Sequence[Trial], what: Callable[[Trial], bool]) -> float:
    return float(np.mean([what(trial) for trial in trials])) if trials else float("nan")


def _per_success(trials: Sequence[Trial]) -> float:
    right = sum(t.score.value for t in trials if t.score is not None)
    return sum(t.timing.total_s for t in trials) / right if right else float("nan")


CLAIM = Claim(
    key=KEY,
    number=10,
    says="The parameter count is the best single predictor of what a model does.",
    refuted_by="training compute explaining more of the variance of task success than the parameter count, for sure",
    test="eight outcomes of every model; squared correlation with the logarithm of parameters, training compute, "
    "training tokens and tokens per parameter",
    published=("family_nonmonotone", "not_cheaper", "test_time"),
    plan=plan,
    judge=judge,
    facts=("total", "active", "tokens"),
    changed="times, cost and bytes enter by their logarithm, because they grow by factors; and pruned models "
    "are left out, because their tokens leave out what the parent learnt",
)
