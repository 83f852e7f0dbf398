"""How answers of scaling laws are printed: the sentence, a table with ranges, the laws' dissent, caveats, next step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sizewise.cli.output import answer, emit, safe
from sizewise.records import Estimate
from sizewise.units import format_count

if TYPE_CHECKING:
    from sizewise.scaling.answers import Answer
    from sizewise.scaling.fitting import Fit
    from sizewise.scaling.holdout import HeldOut, Variant

_MOST_HELD = 10
_COUNTS = ("parameters", "tokens", "served tokens")


def show(result: Answer, as_json: bool) -> None:
    """Print an answer, or its data."""
    if as_json:
        emit(result)
        return
    console = answer()
    console.print(f"[bold]{safe(result.words)}[/bold]", soft_wrap=True)
    if result.estimates:
        rows = [
            (
                key.replace("_", " "),
                _number(value.value, result.units[key]),
                *_ends(value, result.units[key]),
                str(value.source),
            )
            for key, value in result.estimates.items()
        ]
        _table(result.question, ("", "value", "low", "high", "source"), rows)
    if result.opinions:
        unit = result.units.get(result.opinion_of, "")
        said = [
            (
                opinion.law,
                _number(opinion.value, unit),
                "inside" if opinion.inside else "outside",
                opinion.note.split(":")[0],
            )
            for opinion in result.opinions
        ]
        title = f"What each says of {result.opinion_of.replace('_', ' ')}"
        _table(title, ("law or evidence", "value", "its range", "note"), said)
    if result.estimates and not result.inside:
        console.print("[yellow]Outside the range of what was measured: an extrapolation.[/yellow]")
    for caveat in result.caveats:
        console.print(f"- {safe(caveat)}", soft_wrap=True)
    console.print(f"Sources: {safe('; '.join(result.sources))}", soft_wrap=True)
    console.print(f"Next: [bold]{safe(result.next_step)}[/bold]", soft_wrap=True)


def show_fit(fit: Fit, held: Sequence[HeldOut], variants: Sequence[Variant], as_json: bool) -> None:
    """Print a fit with its intervals, held-out errors and sensitivity, or their data."""
    from sizewise.scaling.design import look

    names = ("e", "a", "b", "alpha", "beta", "size_exponent")
    top = float(fit.runs.flops.max())
    best = fit.optimum(top)
    if as_json:
        emit(
            {
                "constants": {name: fit.interval(name) for name in names},
                "objective": fit.objective,
                "delta": fit.delta,
                "design": look(fit.runs),
                "optimum_at_largest_compute": best,
                "held_out": list(held),
                "sensitivity": list(variants),
                "columns": fit.runs.columns,
            }
        )
        return
    console, law = answer(), fit.constants
    formula = f"L = {law.e:.4g} + {law.a:.4g}/N^{law.alpha:.4f} + {law.b:.4g}/D^{law.beta:.4f}"
    console.print(f"[bold]{formula}[/bold] from {len(fit.runs)} runs")
    rows = [(name.replace("_", " "), *(f"{x:.5g}" for x in _three(fit.interval(name)))) for name in names]
    _table("Constants, 95 %", ("", "value", "low", "high"), rows)
    units = {"parameters": "parameters", "tokens": "tokens"}
    at = [(key.replace("_", " "), *(_number(x, units.get(key, "")) for x in _three(e))) for key, e in best.items()]
    _table(f"Optimum at {top:.3g} FLOP", ("", "value", "low", "high"), at)
    _show_held(held)
    _table(
        "The same runs, fitted otherwise", ("choice", "rows", "E", "alpha", "beta", "size exponent"), _choices(variants)
    )
    console.print("Next: [bold]sizewise scaling optimal --flops C --runs FILE[/bold]   (answers with this fit)")


def _choices(variants: Sequence[Variant]) -> list[tuple[str, ...]]:
    laws = [(variant.name, str(variant.rows), variant.law) for variant in variants]
    return [
        (name, rows, f"{law.e:.4g}", f"{law.alpha:.4f}", f"{law.beta:.4f}", f"{law.size_exponent:.3f}")
        for name, rows, law in laws
    ]


def _show_held(held: Sequence[HeldOut]) -> None:
    if not held:
        answer().print("[yellow]No run could be held out: without the largest the rest cannot carry the law.[/yellow]")
        return
    rows = [
        (
            format_count(row.n),
            format_count(row.d),
            f"{row.observed:.4f}",
            f"{row.predicted.value:.4f}",
            f"{row.predicted.low:.4f} to {row.predicted.high:.4f}",
            f"{100 * row.error:+.2f} %",
            "yes" if row.inside else "NO",
        )
        for row in held[-_MOST_HELD:]
    ]
    head = ("parameters", "tokens", "seen", "predicted", "95 % band", "error", "inside")
    _table("Largest compute, held out", head, rows)
    inside = sum(row.inside for row in held)
    error = sum(abs(row.error) for row in held) / len(held)
    answer().print(f"{inside} of {len(held)} held-out runs inside their band; mean error {100 * error:.2f} %")


def show_laws(as_json: bool) -> None:
    """Print the published laws."""
    from sizewise.scaling.published import FORMS_ONLY, PUBLISHED

    if as_json:
        emit({"laws": list(PUBLISHED.values()), "forms_only": FORMS_ONLY})
        return
    console = answer()
    for law in PUBLISHED.values():
        console.print(f"[bold]{law.key}[/bold]  {safe(law.title)}")
        surface = law.surface
        numbers = (
            f"E={surface.e} A={surface.a} B={surface.b} alpha={surface.alpha} beta={surface.beta}" if surface else ""
        )
        spans = ", ".join(
            f"{name} {span[0]:.3g} to {span[1]:.3g}"
            for name, span in (("N", law.size_range), ("D", law.tokens_range), ("C", law.flops_range))
            if span
        )
        for label, text in (
            ("form", law.form), ("constants", numbers), ("units", law.units), ("range", spans or "not stated"),
            ("source", law.source), ("status", law.status), ("checked", law.verified),
        ):  # fmt: skip
            if text:
                console.print(f"  {label}: {safe(text)}", soft_wrap=True)
    console.print(
        "\nKnown by form only, no numbers ship: " + safe("; ".join(f"{k} ({v})" for k, v in FORMS_ONLY.items()))
    )
    console.print("Next: [bold]sizewise scaling optimal --flops 1e21[/bold]")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 or name in ("note", "source", "its range") else "right")
    for row in rows:
        table.add_row(*(safe(cell) for cell in row))
    console = answer()
    console.print(f"\n[dim]{safe(title)}[/dim]", soft_wrap=True)
    console.print(table)


def _three(value: Estimate) -> tuple[float, float, float]:
    return value.value, value.low, value.high


def _ends(value: Estimate, unit: str) -> tuple[str, str]:
    return _number(value.low, unit), _number(value.high, unit)


def _number(value: float, unit: str) -> str:
    if value == float("inf"):
        return "never"
    if unit in _COUNTS:
        return format_count(value)
    if unit.startswith("share"):
        return f"{100 * value:.1f} %"
    return f"{value:.4g}"
