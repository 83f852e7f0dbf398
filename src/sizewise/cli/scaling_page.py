"""A fitted scaling law as pictures and as one HTML page, with what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sizewise.records import Estimate, Plot
from sizewise.report.charts import draw
from sizewise.report.page import Cell, Page, PlotSection, Row, Table, TableSection, VerdictCard, render
from sizewise.scaling import curves
from sizewise.scaling.answers import basis_of
from sizewise.scaling.fitting import Fit
from sizewise.scaling.holdout import HeldOut, Variant
from sizewise.units import format_count

NAMES = ("e", "a", "b", "alpha", "beta", "size_exponent")


def pictures(fit: Fit, held: Sequence[HeldOut], loss_is: str = "") -> dict[str, Plot]:
    """Return name -> picture: loss, isoflop, frontier, residuals; `loss_is` says what the loss is taken over."""
    low, high = float(fit.runs.flops.min()) / 10, float(fit.runs.flops.max()) * 1000
    loss, valley = curves.loss_curves(fit, list(held)), curves.isoflop(fit)
    if loss_is:
        loss, valley = (replace(plot, y_label=f"loss, {loss_is}") for plot in (loss, valley))
    return {
        "loss": loss,
        "isoflop": valley,
        "frontier": curves.frontier(basis_of(fit), low, high),
        "residuals": curves.residuals(fit),
    }


def write_pictures(fit: Fit, held: Sequence[HeldOut], folder: Path) -> list[Path]:
    """Write the four pictures as SVG files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, plot in pictures(fit, held).items():
        path = folder / f"{name}.svg"
        path.write_text(draw(plot, standalone=True), encoding="utf-8")
        found.append(path)
    return found


def plots_of(fit: Fit, held: Sequence[HeldOut], text: str, loss_is: str = "") -> PlotSection:
    """Return the section of a page with all four pictures."""
    charts = tuple((plot.title, draw(plot)) for plot in pictures(fit, held, loss_is).values())
    return PlotSection(id="law", title="The scaling law", text=text, charts=charts)


def law_words(fit: Fit, held: Sequence[HeldOut]) -> str:
    """Return the law and how well it predicted what was held out, in one or two sentences."""
    law = fit.constants
    text = f"L = {law.e:.3f} + {law.a:.3g}/N^{law.alpha:.3f} + {law.b:.3g}/D^{law.beta:.3f} from {len(fit.runs)} runs. "
    if not held:
        return text + "No run could be held out."
    error, above = mean_errors(held, law.e)
    inside = sum(row.inside for row in held)
    return text + (
        f"The {len(held)} runs of largest compute were held out and predicted with a mean error of {100 * error:.1f} % "
        f"of the loss, {100 * above:.0f} % of its part above E; {inside} of {len(held)} lie inside the 95 % band."
    )


def mean_errors(held: Sequence[HeldOut], floor: float) -> tuple[float, float]:
    """Return the mean size of the held-out errors, as a share of the loss and of the loss above `floor`."""
    whole = [abs(row.error) for row in held]
    above = [abs(row.predicted.value - row.observed) / max(row.observed - floor, 1e-9) for row in held]
    return float(np.mean(whole)), float(np.mean(above))


def held_table(held: Sequence[HeldOut]) -> Table:
    """Return what was predicted of each held-out run and what was seen."""
    return Table(
        title="Largest compute, held out", head=("parameters", "tokens", "seen", "predicted", "95 % band", "error", ""),
        rows=tuple(
            _row(
                format_count(row.n), format_count(row.d), f"{row.observed:.4f}", f"{row.predicted.value:.4f}",
                f"{row.predicted.low:.4f} to {row.predicted.high:.4f}", f"{100 * row.error:+.2f} %",
                "inside" if row.inside else "outside",
            )
            for row in held
        ),
    )  # fmt: skip


def constants_table(fit: Fit) -> Table:
    """Return the constants with their intervals."""
    found = {name: fit.interval(name) for name in NAMES}
    return Table(
        title="Constants", head=("", "value", "95 % interval"),
        rows=tuple(_row(name.replace("_", " "), f"{e.value:.5g}", _interval(e)) for name, e in found.items()),
    )  # fmt: skip


def _variants(variants: Sequence[Variant]) -> Table:
    return Table(
        title="The same runs, fitted otherwise", head=("choice", "rows", "E", "alpha", "beta", "size exponent"),
        rows=tuple(
            _row(
                v.name, str(v.rows), f"{v.law.e:.4g}", f"{v.law.alpha:.4f}", f"{v.law.beta:.4f}",
                f"{v.law.size_exponent:.3f}",
            )
            for v in variants
        ),
    )  # fmt: skip


def fit_html(fit: Fit, held: Sequence[HeldOut], variants: Sequence[Variant], notes: Sequence[str] = ()) -> str:
    """Return the self-contained page of a fit."""
    best = fit.optimum(float(fit.runs.flops.max()))
    words = law_words(fit, held)
    card = VerdictCard(
        task=fit.runs.name, outcome="fitted", sentence=words,
        because=(
            f"Least loss at {fit.runs.flops.max():.3g} FLOP: {format_count(best['parameters'].value)} parameters "
            f"({format_count(best['parameters'].low)} to {format_count(best['parameters'].high)}).",
        ),
        warnings=tuple(notes), next_step="sizewise scaling optimal --flops C --runs FILE",
    )  # fmt: skip
    tables = (*((held_table(held),) if held else ()), constants_table(fit), _variants(variants))
    section = TableSection(id="numbers", title="Numbers", text="What the pictures are drawn from.", tables=tables)
    return render(
        Page(
            title=f"Scaling law of {fit.runs.name}", sentence=words.split(". ")[0] + ".",
            subtitle=f"{len(fit.runs)} runs, {np.unique(fit.runs.n).size} sizes", verdicts=(card,),
            plots=(plots_of(fit, held, "Bands are 95 %; other laws are dashed, drawn outside their range too."),),
            tables=(section,), method=_METHOD,
        )
    )  # fmt: skip


_METHOD = (
    "The law is E + A/N^alpha + B/D^beta, by Huber's loss on the logarithm (delta 0.001), the best of 36 starts.",
    "Intervals come from refits under random weights on the runs; the held-out runs were fitted without.",
)


def _interval(value: Estimate) -> str:
    return f"{value.low:.5g} to {value.high:.5g}"


def _row(first: str, *rest: str) -> Row:
    return Row(cells=(Cell(text=first, kind="left"), *(Cell(text=text) for text in rest)))
