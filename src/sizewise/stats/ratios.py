"""Ratios of means, such as what one success costs: Fieller's limits and the paired bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sizewise.errors import NotIdentifiable
from sizewise.stats.intervals import codes, quantile, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio with limits; `high` is infinite where the denominator may be zero, and `value` where it is."""

    value: float
    low: float
    high: float
    method: str

    @property
    def bounded(self) -> bool:
        """Return whether the data bound the ratio from above."""
        return bool(np.isfinite(self.high))


def cost_per_success(
    costs: ArrayLike, successes: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95
) -> Ratio:
    """Return sum(costs) / sum(successes) with limits for future items like these.

    Where every call costs the same and successes are 0/1, the limits are the cost over Wilson's limits of the share.
    Else Fieller's theorem: the ratios r with (c - r y)^2 <= z^2 (s_cc - 2 r s_cy + r^2 s_yy) / n, variances by cluster.
    Unbounded when the mean of the successes is not significantly above zero.

    >>> r = cost_per_success([0.1] * 10, [1, 0] * 5)
    >>> round(r.value, 3), round(r.low, 3), round(r.high, 3)
    (0.2, 0.131, 0.423)
    """
    c, y = np.asarray(costs, dtype=np.float64), np.asarray(successes, dtype=np.float64)
    if c.size == 0:
        raise NotIdentifiable("no answered item: a cost per success needs at least one")
    total = float(y.sum())
    value = float(c.sum() / total) if total > 0 else float("inf")
    if clusters is None and bool((c == c[0]).all() and np.isin(y, (0.0, 1.0)).all()):
        share = wilson(total, y.size, level)
        high = float(c[0]) / share.low if share.low > 1e-12 else float("inf")
        return Ratio(value=value, low=float(c[0]) / share.high, high=high, method=f"cost over {share.method}")
    low, high = _fieller(c, y, clusters, level)
    return Ratio(value=value, low=low, high=high, method=f"Fieller {100 * level:g} %")


def _fieller(c: np.ndarray, y: np.ndarray, clusters: ArrayLike | None, level: float) -> tuple[float, float]:
    code = codes(clusters, c.size)
    groups = int(code.max()) + 1
    if groups < 2:
        return 0.0, float("inf")
    dc, dy = np.bincount(code, weights=c - c.mean()), np.bincount(code, weights=y - y.mean())
    z2 = quantile(level) ** 2 * groups / (groups - 1) / c.size**2
    a = float(y.mean() ** 2 - z2 * (dy @ dy))
    b = float(c.mean() * y.mean() - z2 * (dc @ dy))
    d = float(c.mean() ** 2 - z2 * (dc @ dc))
    root = b * b - a * d
    if a <= 0:
        if root <= 0 or d <= 0:
            return 0.0, float("inf")
        ends = sorted(((b - np.sqrt(root)) / a, (b + np.sqrt(root)) / a))
        return max(0.0, float(ends[1])), float("inf")
    half = np.sqrt(max(root, 0.0))
    return max(0.0, float((b - half) / a)), float((b + half) / a)


def ratio_of_costs(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 2000,
) -> Ratio:
    """Return the cost per success of the first over that of the second, on the same items.

    Each is (costs, successes), item by item. Percentile bootstrap over items (clusters), both kept paired. Draws
    in which a side has no success count as infinite (first) or zero (second).
    """
    columns = [np.asarray(x, dtype=np.float64) for pair in (first, second) for x in pair]
    code = codes(clusters, columns[0].size)
    sums = np.array([np.bincount(code, weights=x) for x in columns])
    weights = np.random.default_rng(seed).multinomial(
        sums.shape[1], np.full(sums.shape[1], 1 / sums.shape[1]), size=draws
    )
    c1, y1, c2, y2 = sums @ weights.T
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (c1 / y1) / (c2 / y2)
        t1, s1, t2, s2 = sums.sum(axis=1)
        value = float((t1 / s1) / (t2 / s2))
    drawn = np.where(np.isnan(drawn), np.inf, drawn)
    ranked = np.sort(drawn)
    low = float(ranked[int((0.5 - level / 2) * draws)])
    high = float(ranked[min(draws - 1, int(np.ceil((0.5 + level / 2) * draws)) - 1)])
    return Ratio(value=value, low=low, high=high, method=f"paired bootstrap {100 * level:g} %")
