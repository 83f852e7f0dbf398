"""The reference page of all commands, generated from their own help: `python -m sizewise.cli.reference`."""

from __future__ import annotations

import click

from sizewise.cli.app import COMMANDS, group

HEAD = """# Commands

Generated from the commands' own help; `python -m sizewise.cli.reference > docs/reference/commands.md` writes it again.

Exit codes: 0 chosen (or done), 1 error, 2 wrong usage, 3 undecided, 4 infeasible, 130 stopped by Ctrl-C.
Data goes to stdout, talk to stderr; `--json` prints data as JSON.
"""


def commands_page() -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    root = click.Context(group, info_name="sizewise", max_content_width=100, terminal_width=100)
    for name in COMMANDS:
        command = group.get_command(root, name)
        if command is not None:
            parts += _section(command, click.Context(command, info_name=name, parent=root), level=2)
    return "\n".join(parts)


def _section(command: click.Command, context: click.Context, level: int) -> list[str]:
    title = f"{'#' * level} {context.command_path}"
    parts = [title, "", "```text", command.get_help(context).rstrip(), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                own = click.Context(inner, info_name=name, parent=context)
                parts += _section(inner, own, level + 1)
    return parts


if __name__ == "__main__":
    click.echo(commands_page(), nl=False)
