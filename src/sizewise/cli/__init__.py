"""The command line: one file a command, each imported only when it is called."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from sizewise.cli.app import app

    app()
