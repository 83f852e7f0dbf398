"""Many questions at once: Holm where each is a decision, Benjamini-Hochberg for a dashboard, e-BH for e-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sizewise.stats.betting import Bools, Floats


def holm(p_values: ArrayLike) -> Floats:
    """Return p values adjusted so that the chance of any false rejection is bounded. Source: Holm (1979).

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return p values adjusted for the false discovery rate; for independent or positively dependent tests.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * p.size / (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def e_benjamini_hochberg(e_values: ArrayLike, alpha: float = 0.05) -> Bools:
    """Return which nulls to reject at false discovery rate alpha, whatever the dependence.

    Source: Wang and Ramdas, "False discovery rate control with e-values" (JRSS-B 2022): reject the k largest, k the
    last with e_(k) >= K / (k alpha).

    >>> e_benjamini_hochberg([100.0, 1.0, 35.0]).tolist()
    [True, False, True]
    """
    e = np.asarray(e_values, dtype=np.float64)
    order = np.argsort(-e, kind="stable")
    enough = np.flatnonzero(e[order] >= e.size / (np.arange(1, e.size + 1) * alpha))
    rejected = np.zeros(e.size, dtype=bool)
    if enough.size:
        rejected[order[: enough[-1] + 1]] = True
    return rejected
