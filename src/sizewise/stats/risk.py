"""Choosing a threshold with a guarantee: Learn then Test.

Each threshold on a grid has a risk (a loss in [0, 1] averaged over items). Testing "risk > target" in a fixed order and
stopping at the first that is not rejected keeps the chance of any false acceptance below alpha.
Source: Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test" (arXiv:2110.01052), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, e, exp, log

import numpy as np
from numpy.typing import ArrayLike


def risk_p_value(losses: ArrayLike, target: float) -> float:
    """Return the Hoeffding-Bentkus p value for "the mean loss in [0, 1] is above the target".

    Source: Bates et al., "Distribution-free, risk-controlling prediction sets" (2021), proposition 2.

    >>> risk_p_value([0.0] * 100, 0.05) < 0.01
    True
    >>> risk_p_value([1.0] * 10, 0.05)
    1.0
    """
    from scipy.stats import binom

    x = np.asarray(losses, dtype=np.float64)
    n, mean = x.size, float(x.mean()) if x.size else 1.0
    if mean >= target or not 0 < target < 1:
        return 1.0
    first = 0.0 if mean <= 0 else mean * log(mean / target)
    divergence = first + (1 - mean) * log((1 - mean) / (1 - target))
    bentkus = e * float(binom.cdf(ceil(n * mean - 1e-9), n, target))
    return min(1.0, exp(-n * divergence), bentkus)


def accepted_in_order(p_values: Sequence[float], alpha: float) -> int:
    """Return how many of the ordered hypotheses are rejected before the first that is not.

    >>> accepted_in_order([0.001, 0.01, 0.2, 0.001], 0.05)
    2
    """
    for position, p in enumerate(p_values):
        if p > alpha:
            return position
    return len(p_values)
