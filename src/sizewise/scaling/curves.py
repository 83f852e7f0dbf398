"""Pictures of scaling laws as data: loss curves with bands, IsoFLOP, the tokens-per-parameter frontier, residuals.

Each function returns a `Plot`; drawing is the report's business.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from sizewise.records import Plot, PlotPoint, PlotSeries
from sizewise.scaling.answers import Basis
from sizewise.scaling.fitting import Fit, optimal_size
from sizewise.scaling.holdout import HeldOut
from sizewise.scaling.published import ratio_opinions
from sizewise.units import format_count


def loss_curves(fit: Fit, held: list[HeldOut] | None = None) -> Plot:
    """Return loss against tokens, one curve with band for each size, the runs, and held-out runs with their bands."""
    runs = fit.runs
    tokens = np.geomspace(runs.d.min() / 1.3, runs.d.max() * 1.3, 40)
    series: list[PlotSeries] = []
    for size in np.unique(runs.n):
        name = format_count(float(size))
        curve = [fit.predict(float(size), float(d), new_run=False) for d in tokens]
        band = tuple(
            PlotPoint(x=float(d), y=e.value, low=e.low, high=e.high) for d, e in zip(tokens, curve, strict=True)
        )
        series.append(PlotSeries(name=name, points=band, line=True, markers=False, band=True))
        seen = runs.n == size
        dots = tuple(PlotPoint(x=float(d), y=float(y)) for d, y in zip(runs.d[seen], runs.loss[seen], strict=True))
        series.append(PlotSeries(name=f"{name}, runs", points=dots))
    if held:
        series.append(_held(held))
    return Plot(
        title="Loss against training tokens", x_label="training tokens", y_label="loss, nats per token",
        series=tuple(series), x_log=True, x_unit="count",
    )  # fmt: skip


def _held(held: list[HeldOut]) -> PlotSeries:
    points = tuple(
        PlotPoint(
            x=row.d, y=row.predicted.value, low=row.predicted.low, high=row.predicted.high,
            note=f"held out; seen {row.observed:.4g}",
        )
        for row in held
    )  # fmt: skip
    return PlotSeries(name="predicted before seen", points=points)


def isoflop(fit: Fit, budgets: int = 5) -> Plot:
    """Return loss against size at equal compute, the valley of each budget, and the runs.

    The curves are at the runs' own compute budgets where there are at most `budgets` (10 % apart is one), else at
    as many even steps.
    """
    runs = fit.runs
    own = np.unique(np.round(np.log(runs.flops), 1))
    levels = np.exp(own) if own.size <= budgets else np.geomspace(runs.flops.min(), runs.flops.max(), budgets)
    sizes = np.geomspace(runs.n.min() / 2, runs.n.max() * 2, 40)
    series = []
    for flops in levels:
        line = tuple(PlotPoint(x=float(n), y=fit.constants.loss(float(n), float(flops / (6 * n)))) for n in sizes)
        series.append(PlotSeries(name=f"{flops:.2g} FLOP", points=line, line=True, markers=False))
    best = [fit.optimum(float(flops)) for flops in levels]
    valley = tuple(
        PlotPoint(
            x=row["parameters"].value, y=row["loss"].value, x_low=row["parameters"].low, x_high=row["parameters"].high
        )
        for row in best
    )
    dots = tuple(
        PlotPoint(x=float(n), y=float(loss), note=f"{c:.2g} FLOP")
        for n, loss, c in zip(runs.n, runs.loss, runs.flops, strict=True)
    )
    series.append(PlotSeries(name="runs", points=dots))
    series.append(PlotSeries(name="least loss, with interval", points=valley, line=True, dashed=True))
    return Plot(
        title="Loss at equal compute", x_label="parameters", y_label="loss, nats per token", series=tuple(series),
        x_log=True, x_unit="count",
    )  # fmt: skip


def frontier(basis: Basis, low: float = 1e18, high: float = 1e26) -> Plot:
    """Return tokens per parameter of least loss against compute, with the band, and every other law dashed."""
    levels = np.geomspace(low, high, 33)
    band = []
    for flops in levels:
        n, d = basis.law.optimum(float(flops))
        values = flops / (6.0 * optimal_size(basis.draws, float(flops)) ** 2)
        estimate = basis.estimate(d / n, values)
        band.append(PlotPoint(x=float(flops), y=estimate.value, low=estimate.low, high=estimate.high))
    series = [PlotSeries(name=basis.name, points=tuple(band), line=True, markers=False, band=True)]
    said = sorted(
        ((o.law, float(flops), o.value) for flops in levels for o in ratio_opinions(float(flops))),
        key=lambda row: row[0],
    )
    for name, rows in groupby(said, key=lambda row: row[0]):
        if name != basis.name:
            points = tuple(PlotPoint(x=flops, y=value) for _, flops, value in rows)
            series.append(PlotSeries(name=name, points=points, line=True, markers=False, dashed=True))
    return Plot(
        title="Tokens per parameter of least loss", x_label="training compute, FLOP", y_label="tokens per parameter",
        series=tuple(series), x_log=True, y_log=True, x_unit="count", y_unit="count",
    )  # fmt: skip


def residuals(fit: Fit) -> Plot:
    """Return predicted over observed loss, minus one, against compute."""
    points = tuple(
        PlotPoint(x=float(c), y=float(np.exp(r) - 1.0), note=f"{format_count(float(n))} parameters")
        for c, r, n in zip(fit.runs.flops, fit.residuals, fit.runs.n, strict=True)
    )
    return Plot(
        title="Residuals of the fit", x_label="training compute, FLOP", y_label="predicted / observed - 1",
        series=(PlotSeries(name="runs", points=points),), x_log=True, x_unit="count",
    )  # fmt: skip
