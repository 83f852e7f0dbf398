"""`sizewise check`: test ten claims about model size on real models."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sizewise.cli.output import json_option, store_option


@click.command()
@click.option(
    "--only", "only", multiple=True, help="A claim by number or name (size, retrieval, ...); may be repeated."
)
@click.option("--on", "on_study", help="Judge a stored study's answers instead; nothing is asked. See: report --list")
@click.option("--list", "as_list", is_flag=True, help="Print the claims and what would refute each, and stop.")
@click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME:FACT=VALUE",
    help="With --on: what you know of a candidate, e.g. coder:kind=specialist, coder:skills=my-task, big:tokens=2T.",
)
@click.option("--samples", type=click.IntRange(8), default=120, show_default=True, help="Items per skill.")
@click.option("--seed", type=int, default=20261123, show_default=True, help="Seed of the items; criteria used others.")
@click.option(
    "--ladder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Another folder with a manifest."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("sizewise-check.html"), show_default=True,
    help="Where the HTML page goes.",
)  # fmt: skip
@store_option
@json_option
def command(
    only: tuple[str, ...], on_study: str | None, as_list: bool, facts: tuple[str, ...], samples: int, seed: int,
    ladder: Path | None, out: Path, store_path: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Test ten claims about model size, on the shipped models or on your own study.

    Each claim says beforehand what would refute it. Ctrl-C is safe: the same command goes on where it stopped.
    Exit code 0: every claim was measured; 3: some could not be.

    \b
    sizewise check
    sizewise check --only quantization --only 4
    sizewise check --on STUDY
    sizewise check --on STUDY --fact my-coder:kind=specialist --fact my-coder:skills=my-task
    """
    from sizewise.claims.catalogue import find_claims
    from sizewise.cli.check_output import list_claims
    from sizewise.cli.checking import check_ladder, check_study

    claims = find_claims(only)
    if as_list:
        list_claims(claims, as_json)
        return
    if on_study is not None:
        sys.exit(check_study(claims, on_study, _said(facts), store_path, out, as_json))
    if facts:
        raise click.UsageError("--fact belongs to --on STUDY: the facts of the shipped models are known")
    sys.exit(check_ladder(claims, samples, seed, ladder, store_path, out, as_json))


def _said(facts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return candidate -> fact -> text; a usage error shows the form."""
    said: dict[str, dict[str, str]] = {}
    for text in facts:
        who, equals, value = text.partition("=")
        name, colon, fact = who.rpartition(":")
        if not (equals and colon and name and fact and value):
            raise click.BadParameter(f"{text!r}; expected NAME:FACT=VALUE, e.g. big:tokens=2T", param_hint="--fact")
        said.setdefault(name, {})[fact] = value
    return said
