"""Intervals for one mean: Wilson, t, cluster-robust, bootstrap-t, and one that may be watched while it grows.

Scores are in [0, 1]. Items of one cluster (document, template) are not independent; where clusters are given, the
cluster is the unit. Not covered: intervals for medians, weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sizewise.errors import NotIdentifiable
from sizewise.stats.betting import Bets, Design, Floats, extend

FEWEST_CLUSTERS = 20
"""With fewer, a cluster-robust standard error is too small and the bootstrap-t takes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its confidence limits."""

    value: float
    low: float
    high: float
    method: str


def quantile(level: float) -> float:
    """Return the two-sided normal quantile: 1.96 for level 0.95.

    >>> round(quantile(0.95), 4)
    1.96
    """
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's score interval for a share.

    Source: Wilson (1927). Coverage is near nominal on average and, like that of every interval for a share, dips a
    few points below it at some (n, p), most near p = 0 or 1 with small n.

    >>> i = wilson(8, 10)
    >>> round(i.low, 4), round(i.high, 4)
    (0.4902, 0.9433)
    """
    if n <= 0:
        raise NotIdentifiable(f"a share of {n} answers has no interval; at least one answer is needed")
    z2, share = quantile(level) ** 2, successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(value=share, low=min(low, share), high=max(high, share), method=f"Wilson {100 * level:g} %")


def codes(clusters: ArrayLike | None, n: int) -> NDArray[np.intp]:
    """Return an integer per item that names its cluster; every item its own where `clusters` is None."""
    if clusters is None:
        return np.arange(n)
    return np.unique(np.asarray(clusters), return_inverse=True)[1]


def clustered_se(values: ArrayLike, clusters: ArrayLike | None = None) -> tuple[float, int]:
    """Return the standard error of a mean and the number of clusters.

    CR1: sqrt(G / (G - 1) * sum over clusters of (sum of residuals)^2) / n. With every item its own cluster this is the
    usual s / sqrt(n). Source: Miller, arXiv:2411.00640, eq. for clustered standard errors, with the G / (G - 1) factor.

    >>> se, groups = clustered_se([1, 1, 0, 0], ["a", "a", "b", "b"])
    >>> round(se, 4), groups
    (0.5, 2)
    """
    x = np.asarray(values, dtype=np.float64)
    sums = np.bincount(codes(clusters, x.size), weights=x - x.mean())
    groups = int(sums.size)
    if groups < 2:
        return float("inf"), groups
    return float(np.sqrt(groups / (groups - 1) * (sums @ sums)) / x.size), groups


def mean_interval(values: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95, seed: int = 0) -> Interval:
    """Return the interval for the mean of scores, for future items like these.

    Right/wrong scores without clusters: Wilson. Else the t interval with the cluster-robust error and G - 1 degrees of
    freedom; with fewer than 20 clusters the bootstrap-t. One cluster gives the whole range of scores.

    >>> i = mean_interval([0.2, 0.4, 0.6, 0.8])
    >>> round(i.low, 3), round(i.high, 3)
    (0.089, 0.911)
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise NotIdentifiable("a mean of no values has no interval; at least one answer is needed")
    if clusters is None and bool(np.isin(x, (0.0, 1.0)).all()):
        return wilson(float(x.sum()), x.size, level)
    interval = difference_interval(x, clusters, level, seed)
    return Interval(
        value=interval.value, low=max(0.0, interval.low), high=min(1.0, interval.high), method=interval.method
    )


def difference_interval(
    values: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the interval for a mean of any bounded values: t with clustered errors, bootstrap-t below 20 clusters.

    A sample without any spread (or of one cluster) does not show how much there is: the limits are infinite for one
    cluster, and for no spread the rule of three for each side, 3 / G at 95 %, takes the place of the zero error.
    """
    from scipy.special import stdtrit

    x = np.asarray(values, dtype=np.float64)
    se, groups = clustered_se(x, clusters)
    mean = float(x.mean())
    if groups < 2:
        return Interval(value=mean, low=-np.inf, high=np.inf, method="one cluster: no interval")
    if se == 0.0:
        half = float(-np.log((1 - level) / 2) / groups)
        return Interval(value=mean, low=mean - half, high=mean + half, method="no spread: rule of three")
    if clusters is not None and groups < FEWEST_CLUSTERS:
        return bootstrap_t(x, clusters, level, seed)
    half = float(stdtrit(groups - 1, 0.5 + level / 2)) * se
    name = "t" if clusters is None else f"clustered t, {groups} clusters,"
    return Interval(value=mean, low=mean - half, high=mean + half, method=f"{name} {100 * level:g} %")


def bootstrap_t(
    values: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95, seed: int = 0, draws: int = 4999
) -> Interval:
    """Return the bootstrap-t interval of a mean, clusters drawn with replacement.

    Draws without spread are left out. With fewer than about 8 clusters the coverage falls short of nominal.
    Source: Efron and Tibshirani (1993), ch. 12; Cameron, Gelbach and Miller (2008) for few clusters.
    """
    x = np.asarray(values, dtype=np.float64)
    code = codes(clusters, x.size)
    sums, sizes = np.bincount(code, weights=x), np.bincount(code).astype(np.float64)
    groups, mean = sums.size, float(x.mean())
    se, _ = clustered_se(x, clusters)
    pick = np.random.default_rng(seed).integers(0, groups, size=(draws, groups))
    total, size = sums[pick], sizes[pick]
    means = total.sum(axis=1) / size.sum(axis=1)
    spread = ((total - means[:, None] * size) ** 2).sum(axis=1)
    errors = np.sqrt(groups / (groups - 1) * spread) / size.sum(axis=1)
    usable = errors > 1e-12
    ratios = (means[usable] - mean) / errors[usable]
    if ratios.size < draws // 2:
        return Interval(value=mean, low=-np.inf, high=np.inf, method="too few distinct clusters: no interval")
    lower, upper = np.quantile(ratios, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(
        value=mean,
        low=mean - float(upper) * se,
        high=mean - float(lower) * se,
        method=f"bootstrap-t, {groups} clusters, {100 * level:g} %",
    )


def watched_interval(
    values: ArrayLike, sizes: ArrayLike | None = None, units: int | None = None, level: float = 0.95, steps: int = 200
) -> Interval:
    """Return a confidence interval for a mean in [0, 1] that holds at every moment at once.

    `values` are unit totals in the random order they were read, `sizes` the items per unit (1 each by default). With
    `units` the claim is about the mean of that finite set, read without replacement; without, about the source.
    A mean m is kept while neither side's bets against it have reached 2 / (1 - level). The limits are rounded
    outwards to a grid of 1 / steps.
    """
    x = np.asarray(values, dtype=np.float64)
    size = np.ones(x.size) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if x.size == 0:
        return Interval(value=float("nan"), low=0.0, high=1.0, method="nothing read")
    grid = np.arange(steps + 1) / steps
    design = Design(units=units if units is not None else x.size, finite=units is not None)
    z = x[None, :] - grid[:, None] * size[None, :]
    seen = np.ones(z.shape, dtype=bool)
    big = float(size.max())
    above: Floats = extend(Bets.start(grid.size), z, seen, (-grid * big)[:, None] - 1e-12, 0, design)
    below: Floats = extend(Bets.start(grid.size), -z, seen, (-(1 - grid) * big)[:, None] - 1e-12, 0, design)
    alarm = np.log(2 / (1 - level))
    value = float(x.sum() / size.sum())
    too_low = np.flatnonzero(above.max(axis=1) >= alarm)
    too_high = np.flatnonzero(below.max(axis=1) >= alarm)
    low = float(grid[too_low[-1]]) if too_low.size else 0.0
    high = float(grid[too_high[0]]) if too_high.size else 1.0
    return Interval(value=value, low=min(low, value), high=max(high, value), method=f"anytime-valid {100 * level:g} %")
