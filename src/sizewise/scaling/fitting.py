"""Fit the additive law to training runs: constants, intervals, held-out error, and how much they hang on choices.

    fit = fit_runs(runs)                    refuses designs that cannot carry the answer (`design.py`)
    fit.constants, fit.interval("alpha")    the law and its 95 % intervals
    fit.predict(n, d), fit.optimum(flops)   with bands

Intervals come from refits under random weights on the runs (Bayesian bootstrap, Rubin 1981: it never loses a
whole size, as plain resampling of few runs does), percentiles. Measured cover is in
`benchmarks/scaling_coverage.py`. Does not cover drift between code bases, schedules or data: runs of one
recipe only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from sizewise.records import Estimate, Source
from sizewise.scaling import solver
from sizewise.scaling.design import require_identifiable
from sizewise.scaling.laws import Additive
from sizewise.scaling.runs import Runs

Array = NDArray[np.float64]

DELTA = 1e-3
"""Huber threshold on log loss (Hoffmann et al. 2022)."""
NAMES = ("e", "a", "b", "alpha", "beta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted law with its uncertainty."""

    constants: Additive
    draws: Array
    """(R, 5): (E, A, B, alpha, beta) of each refit under random weights."""
    runs: Runs
    delta: float
    objective: float
    """Huber loss summed over the rows."""
    residuals: Array
    """Predicted minus observed log loss, (M,)."""
    level: float = 0.95

    def interval(self, name: str) -> Estimate:
        """Return one constant, or "size_exponent", with its interval."""
        values = _derived(self.draws)[name]
        point = getattr(self.constants, name)
        return _estimate(float(point), values, self._tails(), self._how())

    def predict(self, n: float, d: float, *, new_run: bool = True) -> Estimate:
        """Return the loss at (n, d); with `new_run` the band holds one new run's noise, else the law's mean."""
        values = np.log(losses(self.draws, n, d))
        if new_run:
            rng = np.random.default_rng(len(self.runs))
            spread = sqrt(len(self.runs) / max(len(self.runs) - 5, 1))
            values = values + spread * rng.choice(self.residuals - np.median(self.residuals), size=values.size)
        return _estimate(self.constants.loss(n, d), np.exp(values), self._tails(), self._how())

    def optimum(self, flops: float) -> dict[str, Estimate]:
        """Return size, tokens, ratio and loss of the compute-optimal run at `flops`."""
        n, d = self.constants.optimum(flops)
        size = optimal_size(self.draws, flops)
        tokens = flops / (6.0 * size)
        rows = {
            "parameters": (n, size),
            "tokens": (d, tokens),
            "tokens_per_parameter": (d / n, tokens / size),
            "loss": (self.constants.loss(n, d), losses(self.draws, size, tokens)),
        }
        return {key: _estimate(point, values, self._tails(), self._how()) for key, (point, values) in rows.items()}

    def _tails(self) -> tuple[float, float]:
        return tails(
            self.level, int(np.unique(self.runs.unit).size), float(np.median(np.abs(self.residuals))), self.delta
        )

    def _how(self) -> str:
        return f"{100 * self.level:.0f} %, {len(self.draws)} reweighted refits of {np.unique(self.runs.unit).size} runs"


def fit_runs(
    runs: Runs,
    *,
    delta: float = DELTA,
    refits: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    weights: str = "bayesian",
    check: bool = True,
) -> Fit:
    """Return the additive law of the runs with `refits` reweighted refits.

    `weights`: "bayesian" (exponential weights) or "resample" (multinomial counts, as in published work).
    Raises NotIdentifiable, naming the runs to add, unless `check` is off.
    """
    if check:
        require_identifiable(runs)
    data = solver.points(runs.n, runs.d, runs.loss)
    theta, objective = best_fit(data, delta)
    rng = np.random.default_rng(seed)
    draws, _ = solver.solve(
        np.repeat(theta[None], refits, axis=0), run_weights(runs.unit, refits, rng, weights), data, delta, 300, 1e-7
    )
    return Fit(
        constants=to_law(theta, data), draws=to_constants(draws, data), runs=runs, delta=delta, objective=objective,
        residuals=solver.shares(theta[None], data)[0][0] - data.z, level=level,
    )  # fmt: skip


def best_fit(data: solver.Points, delta: float) -> tuple[Array, float]:
    """Return theta (5,) and its objective: the best of 36 starts, polished."""
    begin = solver.starts(data)
    theta, value = solver.solve(begin, np.ones((len(begin), data.z.size)), data, delta, 500, 1e-8)
    best = theta[[int(value.argmin())]]
    theta, value = solver.solve(best, np.ones((1, data.z.size)), data, delta, 3000, 1e-13)
    return theta[0], float(value[0])


def run_weights(unit: NDArray[np.int64], refits: int, rng: np.random.Generator, kind: str) -> Array:
    """Return weights (refits, rows); rows of one run share theirs."""
    count = int(unit.max()) + 1
    present, place = np.unique(unit, return_inverse=True)
    if kind == "resample":
        drawn = rng.multinomial(present.size, np.full(present.size, 1 / present.size), size=refits).astype(np.float64)
    else:
        drawn = rng.exponential(size=(refits, min(count, present.size)))
    return np.asarray(drawn[:, place])


def to_constants(theta: Array, data: solver.Points) -> Array:
    """Return (E, A, B, alpha, beta) rows from theta rows at the centred logs."""
    return np.stack(
        [
            np.exp(theta[:, 2]),
            np.exp(theta[:, 0] + theta[:, 3] * data.x0),
            np.exp(theta[:, 1] + theta[:, 4] * data.y0),
            theta[:, 3],
            theta[:, 4],
        ],
        axis=1,
    )


def to_law(theta: Array, data: solver.Points) -> Additive:
    """Return the law of one theta (5,)."""
    e, a, b, alpha, beta = (float(value) for value in to_constants(theta[None], data)[0])
    return Additive(e=e, a=a, b=b, alpha=alpha, beta=beta)


def losses(draws: Array, n: float | Array, d: float | Array) -> Array:
    """Return the loss of each draw (R, 5) at (n, d).

    >>> round(float(losses(np.array([[1.8, 480.0, 2000.0, 0.35, 0.37]]), 1e9, 2e10)[0]), 2)
    2.45
    """
    return np.asarray(draws[:, 0] + draws[:, 1] * n ** -draws[:, 3] + draws[:, 2] * d ** -draws[:, 4])


def optimal_size(draws: Array, flops: float) -> Array:
    """Return the compute-optimal size of each draw (R, 5)."""
    a, b, alpha, beta = draws[:, 1], draws[:, 2], draws[:, 3], draws[:, 4]
    g = (np.log(alpha * a) - np.log(beta * b)) / (alpha + beta)
    return np.asarray(np.exp(g + beta / (alpha + beta) * log(flops / 6.0)))


def tails(level: float, units: int, typical: float, delta: float) -> tuple[float, float]:
    """Return the two percentiles (as shares) of an interval at `level`.

    Where most residuals lie inside delta the fit is least squares and percentile intervals of few runs are too
    narrow; there the tails are widened to Student's t with units - 5 degrees (Hesterberg 2015).
    """
    low = (1.0 - level) / 2.0
    if typical < delta and units > 6:
        from scipy.stats import norm, t

        low = float(norm.cdf(t.ppf(low, units - 5) * sqrt(units / (units - 5))))
    return low, 1.0 - low


def _derived(draws: Array) -> dict[str, Array]:
    named = {name: draws[:, i] for i, name in enumerate(NAMES)}
    return named | {"size_exponent": draws[:, 4] / (draws[:, 3] + draws[:, 4])}


def _estimate(point: float, values: Array, at: tuple[float, float], how: str) -> Estimate:
    low, high = (float(x) for x in np.quantile(values, at))
    return Estimate(value=point, low=min(low, point), high=max(high, point), source=Source.MEASURED, detail=how)
