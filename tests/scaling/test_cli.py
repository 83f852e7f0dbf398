"""The command from outside: exit codes, JSON on stdout, files."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from sizewise.cli.app import COMMANDS
from sizewise.cli.scaling import command
from sizewise.errors import NotIdentifiable
from sizewise.scaling.laws import BESIROGLU


def ask(*arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def options_of(name: str) -> list[list[str]]:
    """Return the flags of a command and of its subcommands."""
    found = import_module(COMMANDS[name][0]).command
    parts = [found, *found.commands.values()] if isinstance(found, click.Group) else [found]
    return [parameter.opts for part in parts for parameter in part.params]


@pytest.fixture
def runs_csv(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    lines = ["params,tokens,loss"]
    for n in np.geomspace(1e7, 1e9, 5):
        for d in np.geomspace(2e8, 2e10, 4):
            lines.append(f"{n:.6g},{d:.6g},{BESIROGLU.loss(n, d) * np.exp(0.003 * rng.standard_normal()):.6f}")
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("optimal", "--flops", "1e21"),
        ("serving", "--params", "13B", "--served", "2T", "--small", "7B"),
        ("trained", "Meta-Llama-3-8B"),
        ("trained", "--params", "3B", "--tokens", "10T", "--total", "30B"),
        ("what-if", "--params", "1B", "--tokens", "20B"),
        ("overhead", "--ratio", "0.5"),
        ("experts", "--total", "30B", "--active", "3B", "--tokens", "1T"),
        ("repeat", "--unique", "1T", "--epochs", "4"),
        ("quantization", "--bits", "4.5"),
        ("evidence", "distillation"),
        ("prior", "--ratio", "2"),
        ("prior", "--task", "MMLU", "--same-family"),
    ],
)
def test_every_question_answers_in_words_and_in_json(arguments: tuple[str, ...]) -> None:
    words = ask(*arguments)
    step = words.stdout.rsplit("Next: ", 1)[1]
    names = step.split("   (")[0].split()
    assert names[1] in COMMANDS
    known = {option for each in options_of(names[1]) for option in each}
    assert {name for name in names if name.startswith("--")} <= known
    assert words.exit_code == 0
    assert "Next: sizewise" in words.stdout
    assert "Sources:" in words.stdout
    data = json.loads(ask(*arguments, "--json").stdout)
    assert data["words"].split()[0] in words.stdout
    assert data["sources"]


def test_laws_are_listed_with_status() -> None:
    assert "status: warning" in ask("laws").stdout
    assert any(law["key"] == "besiroglu2024" for law in json.loads(ask("laws", "--json").stdout)["laws"])


def test_a_fit_prints_intervals_and_draws_every_picture(runs_csv: Path, tmp_path: Path) -> None:
    pictures, page = tmp_path / "pictures", tmp_path / "fit.html"
    found = ask("fit", str(runs_csv), "--refits", "100", "--plots", str(pictures), "--page", str(page))
    assert "Largest compute, held out" in found.stdout
    assert sorted(path.name for path in pictures.iterdir()) == [
        "frontier.svg", "isoflop.svg", "loss.svg", "residuals.svg",
    ]  # fmt: skip
    assert all(path.read_text().startswith("<svg") for path in pictures.iterdir())
    html = page.read_text()
    assert html.count("<svg") == 4
    assert "were held out and predicted with a mean error of" in html


def test_questions_can_be_answered_with_ones_own_runs(runs_csv: Path) -> None:
    data = json.loads(ask("optimal", "--flops", "1e19", "--runs", str(runs_csv), "--json").stdout)
    assert data["estimates"]["tokens_per_parameter"]["source"] == "measured"


def test_a_bad_count_is_a_usage_error() -> None:
    result = CliRunner().invoke(command, ["optimal", "--flops", "many"])
    assert result.exit_code == 2
    assert "is not a number such as 7B" in result.stderr


def test_runs_that_cannot_carry_a_law_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text("params,tokens,loss\n" + "\n".join(f"{n:g},{20 * n:g},3.0" for n in np.geomspace(1e6, 1e9, 12)))
    with pytest.raises(NotIdentifiable, match="fixed D/N"):
        ask("fit", str(path))
