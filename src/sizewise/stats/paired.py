"""Comparing two means on the same items when the number of items was fixed beforehand.

Not for looking while the data grow: that is `stats.betting`. Differences are first minus second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from sizewise.errors import NotIdentifiable
from sizewise.stats.intervals import Interval, difference_interval, quantile

FEW_DISAGREEMENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """How two lists of right and wrong disagree."""

    first_only: int
    second_only: int
    n: int


def discordance(first: ArrayLike, second: ArrayLike) -> Discordance:
    """Return how often only the first, or only the second, is right.

    >>> discordance([1, 1, 0], [0, 1, 1])
    Discordance(first_only=1, second_only=1, n=3)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return Discordance(first_only=int((a > b).sum()), second_only=int((b > a).sum()), n=int(a.size))


def agresti_min(first_only: int, second_only: int, n: int, level: float = 0.95) -> Interval:
    """Return the adjusted Wald interval for the difference of two paired shares.

    Half a count is added to each cell of the two-by-two table: d = (n10 - n01) / (n + 2),
    se = sqrt(n10 + n01 + 1 - (n10 - n01)^2 / (n + 2)) / (n + 2).
    Source: Agresti and Min, Statistics in Medicine 24 (2005) 729-740. The value is the plain difference.

    >>> i = agresti_min(12, 4, 100)
    >>> round(i.low, 4), round(i.high, 4)
    (0.0007, 0.1562)
    """
    if n <= 0:
        raise NotIdentifiable("no item was answered by both; a paired comparison needs common items")
    middle = (first_only - second_only) / (n + 2)
    se = sqrt(first_only + second_only + 1 - (first_only - second_only) ** 2 / (n + 2)) / (n + 2)
    half = quantile(level) * se
    return Interval(
        value=(first_only - second_only) / n,
        low=middle - half,
        high=middle + half,
        method=f"Agresti-Min {100 * level:g} %",
    )


def mcnemar_mid_p(first_only: int, second_only: int, alternative: str = "two-sided") -> float:
    """Return the exact mid-p value of McNemar's test; "greater" asks whether the first is better.

    Source: Fagerland, Lydersen and Laake (2013). The mid-p test may exceed its level by a little (a few per mille).

    >>> round(mcnemar_mid_p(10, 2), 6)
    0.022461
    >>> mcnemar_mid_p(0, 0)
    1.0
    """
    from scipy.stats import binom

    total = first_only + second_only
    if total == 0:
        return 1.0
    point = float(binom.pmf(first_only, total, 0.5))
    if alternative == "greater":
        return float(binom.sf(first_only - 1, total, 0.5)) - 0.5 * point
    if alternative == "less":
        return float(binom.cdf(first_only, total, 0.5)) - 0.5 * point
    smaller = min(first_only, second_only)
    return min(1.0, 2 * float(binom.cdf(smaller, total, 0.5)) - float(binom.pmf(smaller, total, 0.5)))


def paired_difference(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the interval for the mean of first - second over common items, for future items like these.

    Right/wrong without clusters: Agresti-Min. Graded or clustered: t with clustered errors, bootstrap-t
    below 20 clusters. Items that either lacks (NaN) are left out.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if a.size == 0:
        raise NotIdentifiable("no item was answered by both; a paired comparison needs common items")
    if clusters is None and bool(np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all()):
        counts = discordance(a, b)
        return agresti_min(counts.first_only, counts.second_only, counts.n, level)
    kept = None if clusters is None else np.asarray(clusters)[both]
    return difference_interval(a - b, kept, level, seed)


def gap_bound(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike | None = None, alpha: float = 0.05, seed: int = 0
) -> Interval:
    """Return the one-sided bound: with chance 1 - alpha the mean of first - second on future items is at most `high`.

    The upper end of `paired_difference` at level 1 - 2 alpha. With fewer than 10 disagreements of right/wrong scores
    the normal approximation promises too much (none in 60 items would show 2.7 points); there `high` is at least
    the Clopper-Pearson bound of the share of items that only the first gets right, which the gap cannot exceed.

    >>> round(gap_bound([1.0] * 60, [1.0] * 60).high, 3)
    0.049
    """
    interval = paired_difference(first, second, clusters, 1 - 2 * alpha, seed)
    if not interval.method.startswith("Agresti"):
        return interval
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    counts = discordance(a[both], b[both])
    if counts.first_only + counts.second_only >= FEW_DISAGREEMENTS:
        return interval
    from scipy.special import betaincinv

    exact = float(betaincinv(counts.first_only + 1, counts.n - counts.first_only, 1 - alpha))
    return replace(interval, high=max(interval.high, exact), method=f"{interval.method} and Clopper-Pearson")


def paired_p_value(first: ArrayLike, second: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """Return the one-sided p value for "the first is better": mid-p McNemar for right/wrong, else the t test."""
    from scipy.special import stdtr

    from sizewise.stats.intervals import clustered_se

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if a.size == 0:
        return 1.0
    if clusters is None and bool(np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all()):
        counts = discordance(a, b)
        return mcnemar_mid_p(counts.first_only, counts.second_only, "greater")
    se, groups = clustered_se(a - b, None if clusters is None else np.asarray(clusters)[both])
    if groups < 2 or se == 0:
        return 1.0
    return float(stdtr(groups - 1, -float((a - b).mean()) / se))
