"""The command group: answers fast, suggests, keeps its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sizewise.cli.app import COMMANDS, group


def sizewise(*arguments: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    code = "from sizewise.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, **keywords)  # type: ignore[call-overload, no-any-return]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv=['sizewise','--help']\n"
        "from sizewise.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ['numpy','scipy','torch','aiohttp','xllamacpp','rich']\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr.strip() == "[]"


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(group, ["--help"]).output
    assert [name for name in COMMANDS if f"  {name} " not in text] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    told = CliRunner().invoke(group, [name, "--help"])
    assert told.exit_code == 0, told.output
    assert "Usage:" in told.output


def test_a_misspelt_command_gets_a_suggestion() -> None:
    told = sizewise("rum")
    assert told.returncode == 2
    assert "Did you mean 'run'" in told.stderr


def test_run_without_a_task_says_what_is_missing() -> None:
    told = sizewise("run")
    assert told.returncode == 2
    assert "--task" in told.stderr
    assert "sizewise demo" in told.stderr


def test_an_error_is_one_message_and_exit_code_one(tmp_path: Path) -> None:
    told = sizewise("run", str(tmp_path / "missing.toml"))
    assert told.returncode == 1
    assert told.stderr.startswith("error: cannot read the study file")
    assert "Traceback" not in told.stderr


def test_report_on_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    told = sizewise("report", "--store", str(tmp_path / "s.sqlite"))
    assert told.returncode == 1
    assert "sizewise demo" in told.stderr
