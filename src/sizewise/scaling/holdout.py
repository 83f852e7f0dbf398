"""How far a fit can be trusted: held-out largest compute, and the answer under other choices.

`hold_out` fits without the runs of largest compute and predicts them; `sensitivity` refits with other Huber
thresholds, without outliers, and by variable projection. Both report; neither changes the fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sizewise.errors import NotIdentifiable
from sizewise.records import Estimate
from sizewise.scaling import solver
from sizewise.scaling.design import look
from sizewise.scaling.fitting import DELTA, Fit, best_fit, fit_runs, to_law
from sizewise.scaling.laws import Additive
from sizewise.scaling.runs import Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One held-out run: what was seen, what the smaller runs predicted."""

    n: float
    d: float
    observed: float
    predicted: Estimate
    error: float
    """predicted / observed - 1."""
    inside: bool
    """The observed loss lies in the predicted band."""


def hold_out(
    runs: Runs, *, share: float = 0.15, delta: float = DELTA, refits: int = 500, seed: int = 0
) -> list[HeldOut]:
    """Return predictions for the runs of largest compute, fitted without them.

    Takes `share` of the rows, and with them the whole compute budgets they belong to (5 % apart is one budget)
    where the rest can still carry the law, else single rows; raises NotIdentifiable when none can be spared.
    """
    ordered = np.sort(runs.flops)
    most = max(1, round(share * len(runs)))
    for border in [0.95 * ordered[-most], *(0.999999 * ordered[-take] for take in range(most, 0, -1))]:
        small = runs.take(runs.flops < border)
        if len(small) >= 6 and not look(small).problems:
            break
    else:
        raise NotIdentifiable(
            f"{runs.name}: without the largest run the rest cannot carry the law; expected at least 10 runs over "
            "3 sizes and 3 token counts below the largest compute. Add smaller runs."
        )
    fit = fit_runs(small, delta=delta, refits=refits, seed=seed, check=False)
    rows = np.flatnonzero(runs.flops >= border)
    return [_judge(fit, float(runs.n[i]), float(runs.d[i]), float(runs.loss[i])) for i in rows]


def _judge(fit: Fit, n: float, d: float, observed: float) -> HeldOut:
    band = fit.predict(n, d)
    return HeldOut(
        n=n, d=d, observed=observed, predicted=band, error=band.value / observed - 1.0,
        inside=band.low <= observed <= band.high,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The law under another choice."""

    name: str
    law: Additive
    rows: int


def sensitivity(runs: Runs, *, delta: float = DELTA) -> list[Variant]:
    """Return the law under other thresholds, without outliers, and by variable projection.

    Outliers are rows whose residual exceeds five times the median absolute residual; at most a tenth of the
    rows is left out, the largest first.
    """
    data = solver.points(runs.n, runs.d, runs.loss)
    theta, _ = best_fit(data, delta)
    found = [
        Variant(name=f"Huber {value:g}", law=to_law(best_fit(data, value)[0], data), rows=len(runs))
        for value in (1e-4, 1e-3, 1e-2)
    ]
    found.append(Variant(name="least squares of log loss", law=to_law(best_fit(data, 1e3)[0], data), rows=len(runs)))
    found.append(Variant(name="variable projection", law=to_law(solver.profile(data)[0], data), rows=len(runs)))
    size = np.abs(solver.shares(theta[None], data)[0][0] - data.z)
    outlying = np.argsort(size)[::-1][: len(runs) // 10]
    outlying = outlying[size[outlying] > 5 * np.median(size)]
    if outlying.size:
        keep = np.setdiff1d(np.arange(len(runs)), outlying)
        rest = runs.take(keep)
        smaller = solver.points(rest.n, rest.d, rest.loss)
        law = to_law(best_fit(smaller, delta)[0], smaller)
        found.append(Variant(name=f"without {outlying.size} outliers", law=law, rows=len(rest)))
    return found
