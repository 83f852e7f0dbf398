"""Scales and ticks of a plot: from data to pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sizewise.units import format_bytes, format_count, format_percent, format_seconds, format_usd

FORMATS: dict[str, Callable[[float], str]] = {
    "bytes": format_bytes,
    "seconds": format_seconds,
    "usd": format_usd,
    "count": format_count,
    "share": lambda value: f"{100 * value:.0f} %",
    "percent": format_percent,
    "": lambda value: f"{value:.4g}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from data values to pixels."""

    low: float
    high: float
    start_px: float
    end_px: float
    log: bool = False
    unit: str = ""

    def px(self, value: float) -> float:
        """Return the pixel of a value, kept inside the axis."""
        low, high, here = (self._scaled(number) for number in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return self.start_px + min(1.0, max(0.0, share)) * (self.end_px - self.start_px)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return at most about `most` ticks: pixel and label."""
        unit = 1024.0 ** max(0, math.floor(math.log(max(self.high, 1.0), 1024))) if self.unit == "bytes" else 1.0
        low, high = self.low / unit, self.high / unit
        values = [unit * value for value in (log_ticks if self.log else linear_ticks)(low, high, most)]
        show = FORMATS[self.unit]
        return [(self.px(value), show(value)) for value in values]

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


def axis_for(
    values: Iterable[float], *, start_px: float, end_px: float, log: bool, unit: str,
    low: float | None = None, high: float | None = None,
) -> Axis:  # fmt: skip
    """Return an axis that holds all finite values, with a little room at both ends."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    least, most = (min(finite), max(finite)) if finite else (0.1 if log else 0.0, 1.0)
    if log:
        room = max((most / least) ** 0.06, 1.15)
        least, most = least / room, most * room
    else:
        room = 0.06 * (most - least) or abs(most) * 0.1 or 0.5
        least, most = least - room, most + room
    return Axis(
        low=least if low is None else low,
        high=most if high is None else high,
        start_px=start_px, end_px=end_px, log=log, unit=unit,
    )  # fmt: skip


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between low and high.

    >>> linear_ticks(0.0, 1.0, 6)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(most - 1, 1)
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return values like 1, 2, 5 x 10^n between low and high, thinned to about `most`; round ones in a narrow span.

    >>> log_ticks(3.5e-3, 7.5e-3, 6)
    [0.004, 0.005, 0.006, 0.007]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [value for value in values if low <= value <= high]
        if len(inside) <= most + 1:
            return inside if len(inside) > 2 else linear_ticks(low, high, most)
    return inside[:: math.ceil(len(inside) / most)]
