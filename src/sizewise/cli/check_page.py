"""The reality checks as one HTML page: findings, every comparison, published cases, the family's scaling law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

from sizewise.claims.base import Claim, Finding, Judgement
from sizewise.cli.check_output import published_of
from sizewise.cli.scaling_page import law_words, plots_of
from sizewise.records import Estimate, Plot, PlotPoint, PlotSeries
from sizewise.report.charts import draw
from sizewise.report.page import Cell, Page, PlotSection, Row, Table, TableSection, VerdictCard, render


def check_html(claims: Sequence[Claim], judgements: Sequence[Judgement], key: str, took_s: float) -> str:
    """Return the self-contained page of the checks."""
    both = list(zip(claims, judgements, strict=True))
    measured = sum(j.finding is not Finding.NOT_MEASURED for j in judgements)
    answers = f"{max((j.trials for j in judgements), default=0):,} answers in the largest"
    return render(
        Page(
            title="Reality checks on model size",
            sentence=f"{measured} of {len(judgements)} claims were measured on real models.",
            subtitle=f"study {key} · {answers}" + (f" · {took_s:.0f} s" if took_s else ""),
            verdicts=tuple(_card(claim, judgement) for claim, judgement in both),
            plots=(_pictures(both), _law()),
            tables=(_comparisons(both), _published(claims)),
            method=_METHOD,
        )
    )


_METHOD = (
    "What would refute a claim was written down before its models were asked. Four criteria were changed after a first "
    "look at results of part of the family, each says so; the items asked since are others. Nothing is tuned until a "
    "claim agrees.",
    "Models are compared on the same items. Intervals hold both the chance of the items and, where a size was trained "
    "with several seeds, the chance of the training run.",
    "Where several comparisons could support or refute a claim, the finding is corrected for their number (Holm); "
    "the interval shown is that of one comparison, 95 %.",
    "The models are tiny and of one family: a finding is about them. Published cases of large models stand beside.",
)


def _card(claim: Claim, judgement: Judgement) -> VerdictCard:
    figure = () if judgement.estimate is None else (f"{_interval(judgement.estimate)} {judgement.unit}",)
    return VerdictCard(
        task=f"{claim.number}. {claim.says}", outcome=str(judgement.finding), sentence=judgement.words,
        because=(
            *figure, f"Test: {claim.test}.", f"Refuted by: {claim.refuted_by}.",
            *((f"Changed after a first look at results: {claim.changed}.",) if claim.changed else ()),
        ),
        warnings=judgement.caveats,
        effort=f"{judgement.trials:,} answers" if judgement.trials else "", next_step=judgement.next_step,
    )  # fmt: skip


def _interval(value: Estimate) -> str:
    return f"{value.value:+.3f} ({value.low:+.3f} to {value.high:+.3f})"


def _pictures(both: Sequence[tuple[Claim, Judgement]]) -> PlotSection:
    charts = []
    for claim, judgement in both:
        if len(judgement.rows) > 1:
            points = tuple(
                PlotPoint(
                    x=float(place), y=row.estimate.value, low=row.estimate.low, high=row.estimate.high, note=row.label
                )
                for place, row in enumerate(judgement.rows, 1)
            )
            plot = Plot(
                title=claim.says, x_label="comparison, in the order of the table", y_label=judgement.rows[0].unit,
                series=(PlotSeries(name=claim.key, points=points),),
            )  # fmt: skip
            charts.append((f"{claim.number}. {claim.says}", draw(plot)))
    return PlotSection(
        id="pictures", title="Comparisons", text="Each point is one comparison with its 95 % interval.",
        charts=tuple(charts), empty="Nothing was measured.",
    )  # fmt: skip


LOSS = "nats per byte of text"
"""What the shipped grid's loss is; an earlier one was over the bytes of the answers alone."""
LAW_NOTE = (
    "The loss is over every byte of held-out texts. The first grid measured it over the bytes of the answers alone, "
    "where it falls in steps, a skill at a time: there the held-out runs were predicted with an error of 31.5 %. The "
    "definition was changed after that figure was seen. The three smaller budgets then predicted the fourth before it "
    "was trained."
)


def _law() -> PlotSection:
    """Return the scaling law of the shipped family, where its runs ship."""
    from sizewise.errors import NotIdentifiable
    from sizewise.scaling.fitting import fit_runs
    from sizewise.scaling.holdout import hold_out
    from sizewise.scaling.runs import parse_runs

    table = files("sizewise.data") / "ladder" / "isoflop.csv"
    empty = "The family's training runs are not shipped with this installation."
    if not table.is_file():
        return PlotSection(id="law", title="The family's scaling law", text="", charts=(), empty=empty)
    runs = parse_runs(table.read_text(encoding="utf-8"), "isoflop.csv")
    try:
        fit, held = fit_runs(runs), hold_out(runs)
    except NotIdentifiable as problem:
        return PlotSection(id="law", title="The family's scaling law", text="", charts=(), empty=str(problem))
    section = plots_of(fit, held, f"{law_words(fit, held)} {LAW_NOTE}", LOSS)
    return replace(section, title="The family's scaling law")


def _comparisons(both: Sequence[tuple[Claim, Judgement]]) -> TableSection:
    tables = tuple(
        Table(
            title=f"{claim.number}. {claim.says}", head=("comparison", "value", "95 % interval", "unit", ""),
            rows=tuple(
                Row(
                    cells=(
                        Cell(text=row.label, kind="left"), Cell(text=f"{row.estimate.value:+.3f}"),
                        Cell(text=f"{row.estimate.low:+.3f} to {row.estimate.high:+.3f}"), Cell(text=row.unit),
                        Cell(text=row.note, kind="left"),
                    )
                )
                for row in judgement.rows
            ),
        )
        for claim, judgement in both
        if judgement.rows
    )  # fmt: skip
    return TableSection(
        id="comparisons", title="Every comparison", text="What the findings rest on.", tables=tables, empty="None."
    )


def _published(claims: Sequence[Claim]) -> TableSection:
    tables = tuple(
        Table(
            title=f"{claim.number}. {claim.says}", head=("published case",),
            rows=tuple(Row(cells=(Cell(text=case, kind="wrap"),)) for case in published_of(claim)),
        )
        for claim in claims
        if published_of(claim)
    )  # fmt: skip
    return TableSection(
        id="published", title="Published cases", text="Cases of large models, chosen because they were published.",
        tables=tables, empty="None.",
    )  # fmt: skip
