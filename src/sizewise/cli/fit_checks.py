"""What `fit` and `plan` check of numbers that a person types."""

from __future__ import annotations

from math import isfinite

import click

MOST_TOKENS = 1_000_000_000


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Return the value; a usage error for "nan" and "inf", which compare as nobody expects."""
    if value is not None and not isfinite(value):
        raise click.BadParameter(f"{value} is no limit; expected a number", ctx=context, param=parameter)
    return value
