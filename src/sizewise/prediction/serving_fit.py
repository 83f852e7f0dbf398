"""Fit the factors of the serving laws, and what they err on models or systems that were left out.

TPOT: non-negative least squares of relative errors; TTFT: ridge on logarithms; both reweighted so that gross errors
count linearly, and so that a model-system pair counts with the square root of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sizewise.prediction.serving import TPOT_TERMS, TTFT_TERMS, ServingCase, serving_times, tpot_features, ttft_features

_ROUNDS, _TPOT_KNEE, _TTFT_KNEE, _TTFT_RIDGE = 15, 0.05, 0.1, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRow:
    """One published run."""

    case: ServingCase
    model: str
    system: str
    tpot_s: float
    ttft_s: float


def fit_serving(rows: Sequence[ServingRow]) -> tuple[list[float], list[float]]:
    """Return (TPOT factors, TTFT factors) in the order of their terms."""
    tpot = _fit_tpot(rows)
    return tpot, _fit_ttft(rows, tpot)


def _fit_tpot(rows: Sequence[ServingRow]) -> list[float]:
    import numpy as np
    from scipy.optimize import nnls

    x = np.array([tpot_features(row.case) for row in rows])
    y = np.array([row.tpot_s for row in rows])
    count = Counter((row.model, row.system) for row in rows)
    share = np.array([count[row.model, row.system] ** -0.25 for row in rows])
    weight = share / y
    solution = np.zeros(len(TPOT_TERMS))
    for _ in range(_ROUNDS):
        solution, _ = nnls(x * weight[:, None], y * weight)
        error = np.abs(np.log(np.maximum(x @ solution, 1e-6) / y))
        weight = share / y / np.sqrt(np.maximum(error, _TPOT_KNEE))
    return [float(value) for value in solution]


def _fit_ttft(rows: Sequence[ServingRow], tpot: Sequence[float]) -> list[float]:
    import numpy as np

    predicted = [serving_times(row.case, tpot, [0.0] * len(TTFT_TERMS))[0] for row in rows]
    x = np.array([ttft_features(row.case, own) for row, own in zip(rows, predicted, strict=True)])
    y = np.log([row.ttft_s for row in rows])
    middle, spread = x[:, 1:].mean(axis=0), x[:, 1:].std(axis=0) + 1e-9
    scaled = np.column_stack([np.ones(len(y)), (x[:, 1:] - middle) / spread])
    penalty = _TTFT_RIDGE * np.diag([0.0] + [1.0] * (scaled.shape[1] - 1))
    weight: Any = np.ones(len(y))
    solution: Any = np.zeros(scaled.shape[1])
    for _ in range(_ROUNDS):
        system = scaled * weight[:, None]
        solution = np.linalg.solve(system.T @ system + penalty, system.T @ (y * weight))
        weight = 1 / np.sqrt(np.maximum(np.abs(scaled @ solution - y), _TTFT_KNEE))
    slopes = solution[1:] / spread
    return [float(solution[0] - (slopes * middle).sum()), *(float(value) for value in slopes)]


def serving_left_out(
    rows: Sequence[ServingRow], group: Callable[[ServingRow], str]
) -> list[tuple[ServingRow, float, float]]:
    """Return (row, TPOT predicted / measured, TTFT predicted / measured) with the row's group left out of the fit."""
    found = []
    for name in sorted({group(row) for row in rows}):
        tpot, ttft = fit_serving([row for row in rows if group(row) != name])
        for row in rows:
            if group(row) == name:
                step, first = serving_times(row.case, tpot, ttft)
                found.append((row, step / row.tpot_s, first / row.ttft_s))
    return found
