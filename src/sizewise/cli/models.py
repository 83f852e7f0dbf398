"""`sizewise models`: list, filter and sort the offline catalog."""

from __future__ import annotations

from typing import Any

import click

from sizewise.cli.output import answer, json_option, safe
from sizewise.units import format_count

_WIDE = 160
"""Columns where no terminal limits them, so that names stay whole for grep."""
_SORTS = ("name", "total", "active", "tokens", "context", "date")


def _count(_: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a count such as 7B; a usage error names the flag."""
    from sizewise.errors import ConfigError
    from sizewise.units import parse_count

    try:
        return None if value is None else parse_count(value)
    except ConfigError as error:
        raise click.BadParameter(str(error), param=parameter) from error


@click.command("models")
@click.argument("words", nargs=-1)
@click.option("--min", "least", callback=_count, help="Fewest total parameters, e.g. 1B.")
@click.option("--max", "most", callback=_count, help="Most total parameters, e.g. 8B.")
@click.option("--family", help="Only this architecture family, e.g. qwen3_moe.")
@click.option("--licence", help="Only licences that contain this word.")
@click.option("--context", type=click.IntRange(1), help="At least this context, tokens.")
@click.option("--experts/--dense", "experts", default=None, help="Only mixtures of experts, or only dense models.")
@click.option("--sort", type=click.Choice(_SORTS), default="name", show_default=True, help="Order of the list.")
@click.option("--reverse", is_flag=True, help="Largest, newest or last first.")
@click.option("--limit", type=click.IntRange(1), help="At most this many rows.")
@json_option
def command(words: tuple[str, ...], sort: str, reverse: bool, limit: int | None, as_json: bool, **filters: Any) -> None:
    """List, filter and sort the offline catalog.

    WORDS narrow the list to ids that contain all of them.
    """
    from sizewise.models import catalog
    from sizewise.models.listing import listed

    found = listed(words, **filters, sort=sort, reverse=reverse)[:limit]
    if as_json:
        import json

        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _table(found, len(catalog.rows()))


def _table(found: list[dict[str, Any]], known: int) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in ("total", "active", "context", "tokens", "licence", "released"):
        table.add_column(name, justify="left" if name in ("licence", "released") else "right", no_wrap=True)
    for row in found:
        table.add_row(
            safe(row["id"]),
            format_count(row["total"]),
            format_count(row["active"]),
            f"{row['context']:,}" if row.get("context") else "?",
            f"{row['tokens']:.3g}T" if row.get("tokens") else "?",
            safe(row.get("licence") or "?"),
            row.get("date") or "?",
        )
    console = answer()
    if not console.is_terminal:
        console.width = _WIDE
    if found:
        console.print(table)
    example = found[0]["id"] if found else "Qwen/Qwen3-8B"
    click.echo(f"{len(found)} of {known} models. next: sizewise show {example}", err=True)
