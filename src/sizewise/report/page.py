"""The page as a record and its rendering to one HTML file with no network request and no script."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sizewise.report.charts import CHART_CSS, COLOURS_DARK, COLOURS_LIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One table cell."""

    text: str
    kind: str = ""
    """CSS class: right, wrong, left, wrap."""
    pre: bool = False
    """Keep line breaks and spaces, as in a raw answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One table row; the picked one is set in bold."""

    cells: tuple[Cell, ...]
    picked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its heading."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    kind: str = ""

    def left(self, column: int) -> bool:
        """Return whether a column holds text, so that its heading stands at the left as its cells do."""
        return self.kind == "answers" or any(row.cells[column].kind == "wrap" for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSection:
    """A section of tables; `empty` is said when there is none."""

    id: str
    title: str
    text: str
    tables: tuple[Table, ...]
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotSection:
    """A section of pictures: (title, SVG) each."""

    id: str
    title: str
    text: str
    charts: tuple[tuple[str, str], ...]
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCard:
    """What the page says of one task."""

    task: str
    outcome: str
    sentence: str
    because: tuple[str, ...]
    certificate: str = ""
    flips: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    effort: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page shows, as plain text and SVG."""

    title: str
    sentence: str
    subtitle: str
    verdicts: tuple[VerdictCard, ...]
    plots: tuple[PlotSection, ...]
    tables: tuple[TableSection, ...]
    method: tuple[str, ...]

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Return (id, name) of every section, in order."""
        sections: list[Any] = [*self.plots, *self.tables]
        middle = [(section.id, section.title) for section in sections]
        return [("verdict", "Verdict"), *middle, ("method", "How it was measured")]


def render(page: Page) -> str:
    """Return the page as HTML; all text is escaped, SVG from `sizewise.report.charts` is trusted."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from sizewise.report.visible import visible

    def finalize(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=finalize, trim_blocks=True)
    template = environment.from_string((files("sizewise.report") / "templates" / "page.html.j2").read_text("utf-8"))
    trusted = [
        {
            "id": s.id,
            "title": s.title,
            "text": s.text,
            "empty": s.empty,
            "charts": [(t, Markup(c)) for t, c in s.charts],
        }
        for s in page.plots
    ]
    shown = {name: getattr(page, name) for name in ("title", "sentence", "subtitle", "verdicts", "tables", "method")}
    return template.render(
        page={**shown, "plots": trusted, "contents": page.contents},
        colours_light=Markup(COLOURS_LIGHT),
        colours_dark=Markup(COLOURS_DARK),
        chart_css=Markup(CHART_CSS),
    )
