"""What every command shares: where talk and data go, and how a verdict is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sizewise.records import Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console

EXIT_CODES = {Outcome.CHOSEN: 0, Outcome.TIE: 0, Outcome.UNDECIDED: 3, Outcome.INFEASIBLE: 4}

store_option = click.option(
    "--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="The SQLite file that holds studies and trials  [default: the user's data folder, or $SIZEWISE_STORE]",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print data as JSON on stdout.")


def talk() -> Console:
    """Return the console for people: stderr, coloured where it is a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def answer() -> Console:
    """Return the console for answers: stdout."""
    from rich.console import Console

    return Console(highlight=False)


def emit(data: Any) -> None:
    """Print data as JSON on stdout; records become objects."""
    from sizewise.store.documents import plain

    click.echo(json.dumps(plain(data), ensure_ascii=False, indent=2))


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return the exit code of several verdicts: 0 when all chose, else that of the least settled."""
    return max((EXIT_CODES[verdict.outcome] for verdict in verdicts), default=3)


def safe(text: str) -> str:
    """Return text for a terminal: no escapes of its own, no markup."""
    from rich.markup import escape

    from sizewise.report.visible import visible

    return escape(visible(text))
