"""Plots as SVG text: coloured by the page's own variables, so that dark and light both read well.

Drawn here and not by a plotting library, because a picture must follow the page's colours, carry its numbers as
tooltips, weigh a few kilobytes and cost no install; it draws points, intervals, bands, lines and stacked bars only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from sizewise.records import Estimate, Plot, PlotPoint, PlotSeries
from sizewise.report.axes import FORMATS, Axis, axis_for

WIDTH, HEIGHT = 560, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 14, 48
_COLOURS = 8
_LETTER_PX = 6.6
_Span = tuple[float, float, float]
"""Left end, right end and height of a label, pixels."""
COLOURS_LIGHT = (
    "--ink:#1c2430;--muted:#66707f;--grid:#e6e9ee;--c0:#2563c9;--c1:#c2410c;--c2:#15803d;--c3:#7e22ce;"
    "--c4:#a16207;--c5:#0e7490;--c6:#be185d;--c7:#4d5866"
)
COLOURS_DARK = (
    "--ink:#e7ebf1;--muted:#97a1b0;--grid:#2a323e;--c0:#7eb0ff;--c1:#ff9d66;--c2:#6fd08c;--c3:#c99bff;"
    "--c4:#e6c04d;--c5:#5fd0e6;--c6:#ff8fbf;--c7:#a9b3c1"
)
CHART_CSS = (
    "svg.plot{width:100%;height:auto;display:block}svg.plot text{font:12px system-ui,sans-serif;fill:var(--ink)}"
    "svg.plot .tick{fill:var(--muted);font-size:11px}svg.plot .grid{stroke:var(--grid)}"
    "svg.plot .axis{stroke:var(--muted)}"
    "svg.plot .line{fill:none;stroke-width:1.6}svg.plot .whisker{stroke-width:1.6;opacity:.65}"
    "svg.plot .band{opacity:.16}svg.plot .measured{stroke:var(--ink);stroke-width:2.4}"
    + "".join(
        f"svg.plot .c{n}{{stroke:var(--c{n})}}svg.plot .dot.c{n},svg.plot .fill.c{n},svg.plot .band.c{n}"
        f"{{fill:var(--c{n});stroke:none}}.key .c{n}{{background:var(--c{n})}}"
        for n in range(_COLOURS)
    )
)


def draw(plot: Plot, *, standalone: bool = False) -> str:
    """Return the SVG of a plot; `standalone` adds the colours that the page otherwise gives."""
    points = [point for series in plot.series for point in series.points]
    x = axis_for(
        _spread(points, "x"), start_px=_LEFT, end_px=WIDTH - _RIGHT, log=plot.x_log, unit=plot.x_unit
    )  # fmt: skip
    y = axis_for(
        _spread(points, "y"), start_px=HEIGHT - _BOTTOM, end_px=_TOP, log=plot.y_log, unit=plot.y_unit,
        low=plot.y_from, high=plot.y_to,
    )  # fmt: skip
    body = [*_frame(plot, x, y)]
    taken: list[_Span] = []
    for number, series in enumerate(plot.series):
        body += _series(series, x, y, number % _COLOURS, taken)
    keys = [(series.name, f"c{number % _COLOURS}") for number, series in enumerate(plot.series)]
    legend = _legend(keys) if len(keys) > 1 and not standalone else ""
    return _svg(plot.title, "".join(body), HEIGHT, standalone) + legend


def stacked_bars(title: str, bars: Sequence[tuple[str, Mapping[str, Estimate], Estimate | None]], unit: str) -> str:
    """Return the SVG of horizontal bars: (name, parts, measured total or None); parts are stacked in order."""
    row, left = 30, 150
    totals = [sum(part.value for part in parts.values()) for _, parts, _ in bars]
    measured = [mark.value for _, _, mark in bars if mark is not None]
    most = max([*totals, *measured, 1.0])
    x = Axis(low=0, high=most * 1.08, start_px=left, end_px=WIDTH - _RIGHT, unit=unit)
    names = list(dict.fromkeys(name for _, parts, _ in bars for name in parts))
    height = row * len(bars) + 40
    body: list[str] = []
    for px, label in x.ticks(5):
        body += [_line("grid", (px, 6), (px, height - 30)), _text(label, px, height - 14, "middle", "tick")]
    for number, (name, parts, mark) in enumerate(bars):
        body += _bar(name, parts, mark, x, 8 + row * number, names)
    marks = [("measured peak", "mark")] if measured else []
    keys = [(name, f"c{number % _COLOURS}") for number, name in enumerate(names)]
    return _svg(title, "".join(body), height, standalone=False) + _legend([*keys, *marks])


def _bar(
    name: str, parts: Mapping[str, Estimate], mark: Estimate | None, x: Axis, top: float, names: Sequence[str]
) -> Iterator[str]:
    show = FORMATS[x.unit]
    yield _text(_short(name), x.start_px - 8, top + 14, "end")
    done = 0.0
    for part, estimate in parts.items():
        start, end = x.px(done), x.px(done + estimate.value)
        tip = f"{name}: {part} {show(estimate.value)} ({estimate.source})"
        yield (
            f'<rect class="fill c{names.index(part) % _COLOURS}" x="{start:.1f}" y="{top}" '
            f'width="{max(end - start, 0.5):.1f}" height="18" rx="2"><title>{escape(tip)}</title></rect>'
        )
        done += estimate.value
    if mark is not None:
        at = x.px(mark.value)
        yield _line("measured", (at, top - 3), (at, top + 21), f"{name}: measured peak {show(mark.value)}")


def _line(kind: str, start: tuple[float, float], end: tuple[float, float], tip: str = "") -> str:
    place = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line class="{kind}" {place}>{f"<title>{escape(tip)}</title>" if tip else ""}</line>'


def _text(text: str, x: float, y: float, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, body: str, height: float, standalone: bool) -> str:
    label = escape(title, quote=True)
    extra = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    style = f"<style>svg.plot{{{COLOURS_LIGHT};background:#fff}}{CHART_CSS}</style>" if standalone else ""
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}"{extra}>'
    return f"{head}{style}{body}</svg>"


def _spread(points: Sequence[PlotPoint], axis: str) -> Iterator[float]:
    for point in points:
        values = (point.x, point.x_low, point.x_high) if axis == "x" else (point.y, point.low, point.high)
        yield from (value for value in values if value is not None)


def _frame(plot: Plot, x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for px, label in x.ticks():
        yield _line("grid", (px, _TOP), (px, bottom))
        yield _text(label, px, bottom + 17, "middle", "tick")
    for px, label in y.ticks():
        yield _line("grid", (_LEFT, px), (right, px))
        yield _text(label, _LEFT - 7, px + 4, "end", "tick")
    yield _line("axis", (_LEFT, bottom), (right, bottom))
    yield _text(plot.x_label, (_LEFT + right) / 2, HEIGHT - 8, "middle")
    turn = f'transform="translate(14 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle"'
    yield f"<text {turn}>{escape(plot.y_label)}</text>"


def _series(series: PlotSeries, x: Axis, y: Axis, colour: int, taken: list[_Span]) -> Iterator[str]:
    points = [point for point in series.points if math.isfinite(point.x) and math.isfinite(point.y)]
    if series.band:
        yield _band(points, x, y, colour)
    if series.line and len(points) > 1:
        path = " ".join(f"{x.px(point.x):.1f},{y.px(point.y):.1f}" for point in points)
        dash = ' stroke-dasharray="5 4"' if series.dashed else ""
        yield f'<polyline class="line c{colour}" points="{path}"{dash}/>'
    if series.markers:
        for point in points:
            yield from _marker(point, series, x, y, colour, taken)


def _band(points: Sequence[PlotPoint], x: Axis, y: Axis, colour: int) -> str:
    upper = [(x.px(point.x), y.px(point.high)) for point in points if point.high is not None]
    lower = [(x.px(point.x), y.px(point.low)) for point in points if point.low is not None]
    outline = " ".join(f"{left:.1f},{top:.1f}" for left, top in [*upper, *reversed(lower)])
    return f'<polygon class="band c{colour}" points="{outline}"/>'


def _marker(point: PlotPoint, series: PlotSeries, x: Axis, y: Axis, colour: int, taken: list[_Span]) -> Iterator[str]:
    at, up = x.px(point.x), y.px(point.y)
    whisker = f"whisker c{colour}"
    if point.low is not None and point.high is not None and not series.band:
        yield _line(whisker, (at, y.px(point.low)), (at, y.px(point.high)))
    if point.x_low is not None and point.x_high is not None:
        yield _line(whisker, (x.px(point.x_low), up), (x.px(point.x_high), up))
    tip = escape(_tip(point, series, x, y))
    yield f'<circle class="dot c{colour}" cx="{at:.1f}" cy="{up:.1f}" r="4.2"><title>{tip}</title></circle>'
    if point.label:
        text = _short(point.label)
        near_edge = at > WIDTH - 110
        start = at - 6 - _LETTER_PX * len(text) if near_edge else at + 6
        level = _free_level(start, start + _LETTER_PX * len(text), up - 8, taken)
        yield _text(text, at + (-6 if near_edge else 6), level, "end" if near_edge else "start")


def _free_level(start: float, end: float, level: float, taken: list[_Span]) -> float:
    """Return the height nearest to `level`, inside the frame, where a text from `start` to `end` is free; take it."""
    steps = sorted(range(-8, 9), key=lambda step: (abs(step), step))
    levels = [level + 13 * step for step in steps if _TOP + 8 < level + 13 * step < HEIGHT - _BOTTOM]
    free = (
        height
        for height in levels
        if not any(abs(height - other) < 12 and start < last and first < end for first, last, other in taken)
    )
    height = next(free, level)
    taken.append((start, end, height))
    return height


def _tip(point: PlotPoint, series: PlotSeries, x: Axis, y: Axis) -> str:
    show_x, show_y = FORMATS[x.unit], FORMATS["percent" if y.unit == "share" else y.unit]
    text = f"{point.label or series.name}: {show_x(point.x)}, {show_y(point.y)}"
    if point.low is not None and point.high is not None:
        text += f" ({show_y(point.low)} to {show_y(point.high)})"
    return f"{text} {point.note}".strip()


def _legend(keys: Sequence[tuple[str, str]]) -> str:
    spans = "".join(f'<span class="key"><i class="{kind}"></i>{escape(name)}</span>' for name, kind in keys)
    return f'<p class="legend">{spans}</p>'


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
