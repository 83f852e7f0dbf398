"""The command group: names and one-line helps are data, a command's module is imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from sizewise import __version__
from sizewise.errors import SizewiseError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("sizewise.cli.demo", "Run the whole path on the shipped models: task to verdict to report."),
    "run": ("sizewise.cli.run", "Measure candidates on your task and name the smallest that is good enough."),
    "decide": ("sizewise.cli.decide", "Decide from results you already have (CSV, Parquet); no calls are made."),
    "power": ("sizewise.cli.power", "How many items settle a difference of a given size."),
    "fit": ("sizewise.cli.fit", "What runs on this machine, and how well."),
    "plan": ("sizewise.cli.plan", "What a model needs to run: devices, GPUs, cloud offers."),
    "show": ("sizewise.cli.show", "Facts of one model: parameters, cache, files, sources."),
    "models": ("sizewise.cli.models", "List, filter and sort the offline catalog."),
    "tasks": ("sizewise.cli.tasks", "List task packs, or print some items of one."),
    "load": ("sizewise.cli.load", "Latency and goodput of a server under load."),
    "calibrate": ("sizewise.cli.calibrate", "Measure this machine, so that predictions fit it."),
    "scaling": ("sizewise.cli.scaling", "Scaling laws: optimal size, undertraining, fits of your runs."),
    "check": ("sizewise.cli.check", "Test ten claims about model size on real models."),
    "ladder": ("sizewise.cli.ladder", "The shipped family of small real models: list, verify, train."),
    "report": ("sizewise.cli.report", "Write the HTML page of a study."),
    "ui": ("sizewise.cli.ui", "Serve the reports on this machine."),
    "doctor": ("sizewise.cli.doctor", "Check the installation, the engine and the servers on this machine."),
}
"""Command name -> (module with a click command called `command`, one-line help)."""


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command; None when there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, with "did you mean" for a misspelt name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " See `sizewise --help`."
            raise click.UsageError(f"no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sizewise")
def group() -> None:
    """Which size of language model should I run?

    sizewise predicts what fits, measures what is good enough on your task, and names the smallest model
    that does the job, with the evidence. Start with `sizewise demo`.
    """


def app() -> None:
    """Run the group; turn our errors into one readable message and the exit code 1."""
    try:
        group.main(prog_name="sizewise", standalone_mode=True)
    except SizewiseError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
