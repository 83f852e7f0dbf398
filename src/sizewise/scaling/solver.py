"""Many robust fits of L = E + A/N^alpha + B/D^beta at once: one batched Levenberg-Marquardt in numpy.

The objective is Hoffmann et al. 2022 (approach 3): Huber loss of log L against
log-sum-exp(a - alpha log N, b - beta log D, e), with a = log A, b = log B, e = log E. Derivatives are
analytic; logs are centred so that the parameters are nearly uncorrelated. Each member of a batch has its own
start and its own weights, so that many starts and two thousand bootstrap refits are the same call.

Does not cover other forms (cross terms, repeated data); those are small enough for `scipy.optimize`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EXPONENT_RANGE = (0.005, 5.0)
"""Exponents outside are not a scaling law; steps that lead there are rejected, so a degenerate resample ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Centred logs of the runs: x = log N - x0, y = log D - y0, z = log loss; shape (M,)."""

    x: Array
    y: Array
    z: Array
    x0: float
    y0: float


def points(n: Array, d: Array, loss: Array) -> Points:
    """Return the centred logs of runs.

    >>> float(points(np.array([1.0, np.e**2]), np.ones(2), np.ones(2)).x0)
    1.0
    """
    x, y = np.log(n), np.log(d)
    return Points(x=x - x.mean(), y=y - y.mean(), z=np.log(loss), x0=float(x.mean()), y0=float(y.mean()))


def shares(theta: Array, data: Points) -> tuple[Array, Array, Array, Array]:
    """Return predicted log loss and the shares of its three terms, each (B, M), for theta (B, 5).

    theta is (a, b, e, alpha, beta) with a and b at the centred logs.
    """
    u = theta[:, 0:1] - theta[:, 3:4] * data.x
    v = theta[:, 1:2] - theta[:, 4:5] * data.y
    w = np.broadcast_to(theta[:, 2:3], u.shape)
    top = np.maximum(np.maximum(u, v), w)
    eu, ev, ew = np.exp(u - top), np.exp(v - top), np.exp(w - top)
    total = eu + ev + ew
    return top + np.log(total), eu / total, ev / total, ew / total


def huber(residual: Array, weights: Array, delta: float) -> Array:
    """Return the weighted Huber loss summed over the last axis.

    >>> float(huber(np.array([0.5, 3.0]), np.ones(2), 1.0))
    2.625
    """
    size = np.abs(residual)
    loss = np.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    return np.asarray((weights * loss).sum(-1))


def solve(
    theta: Array, weights: Array, data: Points, delta: float, steps: int = 500, tolerance: float = 1e-8
) -> tuple[Array, Array]:
    """Return the fitted theta (B, 5) and the objectives (B,) from starts theta (B, 5) and weights (B, M).

    A step solves the Huber-weighted normal equations with Marquardt damping and is kept only when the
    objective falls. A member stops after two steps that gain less than `tolerance` of its objective.
    """
    theta = theta.copy()
    damping = np.full(len(theta), 1e-3)
    calm = np.zeros(len(theta), dtype=np.int64)
    value = huber(shares(theta, data)[0] - data.z, weights, delta)
    active = np.arange(len(theta))
    for _ in range(steps):
        if not active.size:
            break
        old, weight = value[active], weights[active]
        trial = theta[active] + _step(theta[active], weight, damping[active], data, delta)
        new = huber(shares(trial, data)[0] - data.z, weight, delta)
        inside = ((trial[:, 3:] > _EXPONENT_RANGE[0]) & (trial[:, 3:] < _EXPONENT_RANGE[1])).all(1)
        good = (new <= old) & inside
        theta[active[good]], value[active[good]] = trial[good], new[good]
        damping[active] = np.where(good, damping[active] * 0.2, damping[active] * 8.0)
        small = good & (old - new <= tolerance * old)
        calm[active] = np.where(small, calm[active] + 1, np.where(good, 0, calm[active]))
        active = active[(calm[active] < 2) & (damping[active] < 1e7) & (value[active] > 1e-28)]
    return theta, value


def _step(theta: Array, weights: Array, damping: Array, data: Points, delta: float) -> Array:
    """Return the damped step (B, 5) of iteratively reweighted least squares."""
    predicted, su, sv, sw = shares(theta, data)
    residual = predicted - data.z
    jacobian = np.stack([su, sv, sw, -su * data.x, -sv * data.y], axis=2)
    scaled = weights * np.minimum(1.0, delta / np.maximum(np.abs(residual), 1e-300))
    weighted = jacobian * scaled[:, :, None]
    normal = np.matmul(weighted.transpose(0, 2, 1), jacobian)
    slope = np.matmul(weighted.transpose(0, 2, 1), residual[:, :, None])
    index = np.arange(5)
    diagonal = normal[:, index, index]
    normal[:, index, index] += damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True) + 1e-300
    return np.asarray(-np.linalg.solve(normal, slope)[:, :, 0])


def starts(data: Points) -> Array:
    """Return 36 starting points (36, 5) that spread the loss differently over its three terms."""
    low = float(data.z.min())
    middle = float(np.exp(np.median(data.z)))
    rows = []
    for share_e, split, alpha, beta in product((0.3, 0.6, 0.9), (0.25, 0.5, 0.75), (0.25, 0.6), (0.25, 0.6)):
        floor = share_e * np.exp(low)
        rest = max(middle - floor, 0.05 * middle)
        rows.append((np.log(rest * split), np.log(rest * (1 - split)), np.log(floor), alpha, beta))
    return np.array(rows, dtype=np.float64)


def profile(data: Points, grid: int = 24) -> tuple[Array, float]:
    """Return theta (5,) and the sum of squares by variable projection: the cross-check.

    For each (alpha, beta) on a grid the three levels E, A, B are a non-negative least squares problem on the
    losses themselves; Nelder-Mead then refines (alpha, beta). The objective differs from `solve` (squared
    level errors, no robustness), so agreement says that the answer does not hang on the objective.
    """
    from scipy import optimize

    search: Any = optimize.minimize

    level = np.exp(data.z)

    def inner(exponents: Array) -> tuple[Array, float]:
        if exponents.min() <= _EXPONENT_RANGE[0] or exponents.max() >= _EXPONENT_RANGE[1]:
            return np.zeros(3), float("inf")
        basis = np.stack([np.exp(-exponents[0] * data.x), np.exp(-exponents[1] * data.y), np.ones_like(level)], axis=1)
        found, norm = optimize.nnls(basis, level)
        return np.asarray(found), float(norm) ** 2

    axis = np.geomspace(0.05, 1.5, grid)
    best = min((np.array(pair) for pair in product(axis, axis)), key=lambda pair: inner(pair)[1])
    refined = search(
        lambda p: inner(np.asarray(p))[1],
        list(best),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-14, "maxiter": 2000},
    )
    levels, error = inner(np.asarray(refined.x))
    logs = np.log(np.maximum(levels, 1e-300))
    return np.array([*logs, *refined.x], dtype=np.float64), error


def least_absolute(theta: Array, data: Points, rounds: int = 60) -> Array:
    """Return the least-absolute-deviation fit (5,) near theta: the limit of Huber at delta -> 0.

    Each round linearizes the model and solves the linear programme inside a shrinking trust box
    (sequential linear programming; the solution interpolates five of the points).
    """
    from scipy.optimize import linprog

    theta, radius, m = theta.copy(), 0.1, data.z.size
    unit = np.eye(m)
    for _ in range(rounds):
        predicted, su, sv, sw = (part[0] for part in shares(theta[None], data))
        residual = predicted - data.z
        jacobian = np.stack([su, sv, sw, -su * data.x, -sv * data.y], axis=1)
        rows = np.block([[jacobian, -unit], [-jacobian, -unit]])
        box = [(-radius, radius)] * 5 + [(0.0, None)] * m
        found: Any = linprog(np.r_[np.zeros(5), np.ones(m)], A_ub=rows, b_ub=np.r_[-residual, residual], bounds=box)
        trial = theta + np.asarray(found.x[:5])
        if np.abs(shares(trial[None], data)[0][0] - data.z).sum() < np.abs(residual).sum():
            theta = trial
        else:
            radius *= 0.25
        if radius < 1e-9:
            break
    return theta
