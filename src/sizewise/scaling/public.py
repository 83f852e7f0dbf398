"""How often the bigger public model won, within and across families: a stated prior, never a verdict.

Rows come from `sizewise.data.scaling.family_scores` (ObsScaling's table with its known errors corrected). Used only
to say whether a larger model is worth measuring. Does not control for the year a model was made: part of what
looks like size across families is age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import ConfigError
from sizewise.records import Estimate, Source
from sizewise.scaling.answers import Answer
from sizewise.scaling.published import Opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyScore:
    """One base model's score on one task."""

    model: str
    family: str
    size: float
    """Parameters."""
    task: str
    score: float
    """In [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """Of `pairs` pairs the larger won `share` (a tie counts half)."""

    task: str
    scope: str
    ratio_low: float
    ratio_high: float
    pairs: int
    families: int
    share: Estimate
    gain_per_doubling: float
    """Median score gained for each doubling of the size."""


RATIOS = ((1.3, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 64.0))


def within_family(rows: Sequence[FamilyScore], task: str, at_least: float = 1.3) -> Wins:
    """Return how often the next larger size of a family (at least 1.3 times larger) won on the task."""
    pairs = []
    for family in dict.fromkeys(row.family for row in rows):
        sizes = sorted((row for row in rows if row.family == family and row.task == task), key=lambda r: r.size)
        pairs += [(small, large) for small, large in pairwise(sizes) if large.size >= at_least * small.size]
    return _wins(pairs, task, "within a family", at_least, float("inf"))


def across_families(rows: Sequence[FamilyScore], task: str, low: float, high: float) -> Wins:
    """Return how often the larger of two models of different families won, size ratio in [low, high)."""
    chosen = [row for row in rows if row.task == task]
    pairs = []
    for one, other in combinations(chosen, 2):
        small, large = sorted((one, other), key=lambda r: r.size)
        if small.family != large.family and low <= large.size / small.size < high:
            pairs.append((small, large))
    return _wins(pairs, task, "across families", low, high)


def _wins(pairs: list[tuple[FamilyScore, FamilyScore]], task: str, scope: str, low: float, high: float) -> Wins:
    if not pairs:
        raise ConfigError(f"no public pair on {task!r} {scope} at size ratio {low:g} to {high:g}")
    won = np.array([0.5 * (large.score >= small.score) + 0.5 * (large.score > small.score) for small, large in pairs])
    gains = [(large.score - small.score) / log(large.size / small.size, 2) for small, large in pairs]
    families = sorted({row.family for pair in pairs for row in pair})
    return Wins(
        task=task, scope=scope, ratio_low=low, ratio_high=high, pairs=len(pairs), families=len(families),
        share=_share(won, pairs, families), gain_per_doubling=float(np.median(gains)),
    )  # fmt: skip


def _share(won: NDArray[np.float64], pairs: list[tuple[FamilyScore, FamilyScore]], families: list[str]) -> Estimate:
    """Return the share won with a 95 % interval that resamples families, since pairs share models.

    A pair's weight is the product of its families' weights (Bayesian bootstrap of both); half a win and half a
    loss are added, so that a share of 1 keeps an interval.
    """
    place = {family: i for i, family in enumerate(families)}
    at = np.array([[place[small.family], place[large.family]] for small, large in pairs])
    weights = np.random.default_rng(len(pairs)).exponential(size=(2000, len(families)))
    each = np.where(at[:, 0] == at[:, 1], weights[:, at[:, 0]], weights[:, at[:, 0]] * weights[:, at[:, 1]])
    shares = (each @ won + 0.5) / (each.sum(1) + 1.0)
    point = float(won.mean())
    low, high = (float(x) for x in np.quantile(shares, (0.025, 0.975)))
    return Estimate(
        value=point, low=min(low, point), high=max(high, point), source=Source.PUBLISHED,
        detail=f"{len(pairs)} pairs of {len(families)} families, families reweighted",
    )  # fmt: skip


def prior(rows: Sequence[FamilyScore], ratio: float, task: str | None = None, same_family: bool = False) -> Answer:
    """Return the prior chance that a model `ratio` times larger wins, by task, from public base models.

    Raises ConfigError for a ratio under 1.3 or over 64, or a task without rows.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    if task is not None and task not in tasks:
        raise ConfigError(f"no public scores for {task!r}; expected one of {', '.join(tasks)}")
    span = next(((low, high) for low, high in RATIOS if low <= ratio < high), None)
    if span is None:
        raise ConfigError(f"size ratio {ratio:g} is outside 1.3 to 64, where public pairs exist")
    wanted = [task] if task else tasks
    if same_family:
        found = [within_family(rows, name) for name in wanted]
    else:
        found = [across_families(rows, name, *span) for name in wanted]
    scope = "the next size of one family" if same_family else f"another family, {span[0]:g} to {span[1]:g} times larger"
    low, high = min(w.share.value for w in found), max(w.share.value for w in found)
    return Answer(
        question=f"Is a model {ratio:g} times larger worth measuring?",
        words=f"Yes, measure: {scope} won in {100 * low:.0f} to {100 * high:.0f} % of public pairs, by task."
        if task is None
        else f"{scope[0].upper()}{scope[1:]} won on {task} in {100 * low:.0f} % of public pairs.",
        estimates={w.task: w.share for w in found},
        units=dict.fromkeys((w.task for w in found), "P(bigger wins)"),
        inside=True,
        opinions=tuple(
            Opinion(law=w.task, value=w.gain_per_doubling, inside=True, note="score per doubling, median")
            for w in found
        ),
        opinion_of="gain per doubling",
        caveats=(
            "base models of 2020 to 2024; not corrected for age, so newer families count as larger",
            "a prior for deciding whether to measure, never a reason to choose",
        ),
        sources=("Ruan, Maddison, Hashimoto 2024 (ObsScaling), arXiv 2405.10938, with known errors corrected",),
        next_step="sizewise power --margin 0.05   (how many items settle a difference)",
    )
