"""The generated reference pages: commands, study keys, errors. `python -m sizewise.cli.reference` writes them all."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from sizewise import errors, records
from sizewise.cli.app import COMMANDS, group

COMMANDS_HEAD = """# Commands

Generated from the commands' own help.

Exit codes: 0 chosen (or done), 1 error, 2 wrong usage, 3 undecided, 4 infeasible, 130 stopped by Ctrl-C.
Data goes to stdout, talk to stderr; `--json` prints data as JSON.
"""

STUDY_HEAD = """# Study files

Generated from the records that a study file becomes. Keys of a candidate and of its settings stand side by side in
`[[candidate]]`. A unit may be left out of a key and written in the value: `max_memory = "8GiB"` is
`max_memory_bytes`, `max_ttft_p95 = "500ms"` is `max_ttft_p95_s`. A list as a value of a candidate crosses: each
combination becomes a candidate. Unknown keys are errors.
"""

STUDY_TABLES = (
    ("top level", "Study", ("tasks", "candidates", "goal", "budget", "workload", "load")),
    ("[[task]]", "TaskRef", ()),
    ("[[candidate]]", "Candidate", ("settings", "price")),
    ("[[candidate]], settings", "Settings", ("max_output_tokens",)),
    ("[[candidate]] price", "Price", ()),
    ("[goal]", "Goal", ()),
    ("[budget]", "Budget", ()),
    ("[workload]", "Workload", ()),
    ("[load]", "LoadTest", ()),
)


def commands_page() -> str:
    """Return the page of all commands as Markdown."""
    parts = [COMMANDS_HEAD]
    root = click.Context(
        group, info_name="sizewise", max_content_width=100, terminal_width=100, **group.context_settings
    )
    for name in COMMANDS:
        command = group.get_command(root, name)
        if command is not None:
            parts += _command(command, click.Context(command, info_name=name, parent=root), level=2)
    return "\n".join(parts)


def study_page() -> str:
    """Return the page of all keys of a study file as Markdown."""
    parts = [STUDY_HEAD]
    for title, name, left_out in STUDY_TABLES:
        parts += [f"## {title}", "", "| key | value | meaning |", "|---|---|---|"]
        rows = [row for row in _fields(name) if row[0] not in left_out]
        parts += [f"| `{key}` | `{value}` | {meaning} |" for key, value, meaning in rows]
        parts.append("")
    return "\n".join(parts)


def errors_page() -> str:
    """Return the page of all exceptions as Markdown."""
    tree = inspect.cleandoc(errors.__doc__ or "")
    return f"# Errors\n\nGenerated from `sizewise.errors`.\n\n{tree}\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/commands.md": commands_page,
    "docs/reference/study-file.md": study_page,
    "docs/reference/errors.md": errors_page,
}


def _command(command: click.Command, context: click.Context, level: int) -> list[str]:
    title = f"{'#' * level} {context.command_path}"
    parts = [title, "", "```text", command.get_help(context).rstrip(), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                own = click.Context(inner, info_name=name, parent=context)
                parts += _command(inner, own, level + 1)
    return parts


def _fields(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (field, annotation and default, docstring) of a record, read from the source."""
    tree = ast.parse(inspect.getsource(records))
    record = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    for node, after in zip(record.body, [*record.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        value = ast.unparse(node.annotation).replace(" | ", " or ")
        if node.value is not None and not ast.unparse(node.value).startswith("field("):
            value += f" = {ast.unparse(node.value)}"
        meaning = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            meaning = " ".join(str(after.value.value).split())
        yield node.target.id, value, meaning.replace("|", "\\|")


def write(root: Path) -> None:
    """Write every generated page under the folder that holds `docs`."""
    for name, page in PAGES.items():
        (root / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
