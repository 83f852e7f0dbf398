"""Bytes, seconds, joules, money and counts: parse what people write, print what people read.

Inside sizewise everything is base SI (bytes, seconds, watts, joules, US dollars); this file is the only
place that converts. It does not cover currencies other than the dollar.
"""

from __future__ import annotations

import re

from sizewise.errors import ConfigError
from sizewise.records import Estimate

_BYTES = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_NUMBER = re.compile(r"\s*([0-9]+(?:[._][0-9]+)*(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def _parse(text: str | float, table: dict[str, float] | dict[str, int], what: str, example: str) -> float:
    if isinstance(text, int | float):
        return float(text)
    match = _NUMBER.fullmatch(text)
    unit = match.group(2).lower() if match else ""
    if not match or unit not in table:
        raise ConfigError(f"cannot read {text!r} as {what}; expected a number and a unit, for example {example!r}")
    return float(match.group(1).replace("_", "")) * table[unit]


def parse_bytes(text: str | float) -> int:
    """Return bytes for "8GB" (decimal), "8GiB" (binary) or a plain number.

    >>> parse_bytes("8 GiB")
    8589934592
    """
    return int(_parse(text, _BYTES, "a size in bytes", "8GiB"))


def parse_seconds(text: str | float) -> float:
    """Return seconds for "250ms", "2s", "5min" or a plain number.

    >>> parse_seconds("250ms")
    0.25
    """
    return _parse(text, _SECONDS, "a duration", "250ms")


def parse_count(text: str | float) -> float:
    """Return a count for "7B", "1.3M", "15T" or a plain number.

    >>> parse_count("7B")
    7000000000.0
    """
    return _parse(text, _COUNTS, "a count", "7B")


def _scaled(value: float, steps: list[tuple[float, str]], digits: int = 3) -> str:
    for factor, unit in steps:
        if abs(value) >= factor:
            return f"{value / factor:.{digits}g}{unit}" if abs(value) < 1000 * factor else f"{value / factor:.0f}{unit}"
    factor, unit = steps[-1]
    return f"{value / factor:.{digits}g}{unit}"


def format_bytes(value: float) -> str:
    """Return bytes for people, in binary units.

    >>> format_bytes(8589934592)
    '8 GiB'
    """
    return _scaled(value, [(2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")])


def format_count(value: float) -> str:
    """Return a count for people.

    >>> format_count(1_333_000)
    '1.33M'
    """
    return _scaled(value, [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"), (1, "")])


def format_seconds(value: float) -> str:
    """Return a duration for people.

    >>> format_seconds(0.25)
    '250 ms'
    """
    return _scaled(value, [(86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs")])


def format_usd(value: float) -> str:
    """Return US dollars with three significant digits.

    >>> format_usd(0.00123)
    '$0.00123'
    """
    return f"${value:,.0f}" if value >= 1000 else f"${value:.3g}"


def format_percent(value: float) -> str:
    """Return a share in [0, 1] as percent.

    >>> format_percent(0.845)
    '84.5 %'
    """
    return f"{100 * value:.1f} %"


def format_range(estimate: Estimate, how: object = None) -> str:
    """Return "value (low to high, source)"; `how` formats each number (default: three digits).

    >>> from sizewise.records import Source
    >>> format_range(Estimate(value=2.0, low=1.0, high=3.0, source=Source.MEASURED))
    '2 (1 to 3, measured)'
    """
    show = how if callable(how) else (lambda number: f"{number:.3g}")
    return f"{show(estimate.value)} ({show(estimate.low)} to {show(estimate.high)}, {estimate.source})"
