"""Does a score grow along an order? Page's trend test, reversals between neighbours, and an isotonic fit to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sizewise.errors import NotIdentifiable
from sizewise.stats.betting import Floats
from sizewise.stats.multiplicity import holm
from sizewise.stats.paired import paired_p_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Page's L with its one-sided p value for "grows along the order"."""

    statistic: float
    z: float
    p_value: float


def page_trend(scores: ArrayLike) -> Trend:
    """Return Page's trend test; rows are items (blocks), columns the treatments in the predicted order.

    L = sum over columns of (column number x column sum of within-row ranks). The p value is the normal one with the
    permutation variance of tied ranks, so it agrees with `scipy.stats.page_trend_test` (asymptotic) where
    no row has ties and is not needlessly large for 0/1 scores, where most rows have.
    Source: Page (1963); tie correction as for Friedman's test.

    >>> t = page_trend([[0.1, 0.2, 0.3], [0.0, 0.5, 0.9], [0.3, 0.2, 0.8]])
    >>> t.statistic, round(t.p_value, 4)
    (41.0, 0.0206)
    """
    from scipy.special import ndtr
    from scipy.stats import rankdata

    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2 or x.shape[0] < 1:
        raise NotIdentifiable(f"a trend needs items x at least two ordered columns; got shape {x.shape}")
    ranks = rankdata(x, axis=1)
    columns = x.shape[1]
    weights = np.arange(1, columns + 1, dtype=np.float64)
    statistic = float(ranks.sum(axis=0) @ weights)
    centre = (columns + 1) / 2
    expected = x.shape[0] * columns * centre * centre
    spread = ((ranks - centre) ** 2).sum() / (columns - 1)
    variance = float(((weights - centre) ** 2).sum() * spread)
    z = (statistic - expected) / np.sqrt(variance) if variance > 0 else 0.0
    return Trend(statistic=statistic, z=float(z), p_value=float(ndtr(-z)))


def reversal_p_values(scores: ArrayLike, clusters: ArrayLike | None = None) -> Floats:
    """Return Holm-adjusted one-sided p values for "column i beats its right neighbour", one a pair of neighbours.

    Rows are items; NaN marks missing answers.
    """
    x = np.asarray(scores, dtype=np.float64)
    return holm([paired_p_value(x[:, i], x[:, i + 1], clusters) for i in range(x.shape[1] - 1)])


def isotonic(values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Return the nondecreasing sequence nearest in weighted squares (pool adjacent violators). For display only.

    >>> isotonic([1.0, 3.0, 2.0, 4.0]).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    y = np.asarray(values, dtype=np.float64)
    w = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(y.tolist(), w.tolist(), strict=True):
        count = 1
        while blocks and blocks[-1][0] >= value:
            before, heavy, length = blocks.pop()
            value = (before * heavy + value * weight) / (heavy + weight)
            weight, count = weight + heavy, count + length
        blocks.append((value, weight, count))
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])
