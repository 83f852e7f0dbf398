"""`sizewise run` as a user types it, on the shipped models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sizewise.cli.app import group
from sizewise.ladder.family import base, path
from sizewise.tasks import skills

SMALL, *_, LARGE = [model.name for model in base()]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.jsonl"
    samples = skills.load("copy", seed=3, n=40)
    rows = [{"id": s.id, "prompt": s.prompt, "expected": s.target} for s in samples]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def run(tmp_path: Path, *arguments: str) -> Result:
    place = ["--store", str(tmp_path / "s.sqlite"), "--out", str(tmp_path / "page.html")]
    return CliRunner().invoke(group, ["run", *arguments, *place])


def test_ones_own_file_and_two_gguf_files_need_one_command(tmp_path: Path, items: Path) -> None:
    models = ["--model", str(path(SMALL)), "--model", str(path(LARGE))]
    told = run(tmp_path, "--task", str(items), *models, "--json")
    assert told.exit_code in (0, 3), told.output
    data = json.loads(told.stdout)
    assert [verdict["task"] for verdict in data["verdicts"]] == ["items"]
    assert "items" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_exit_code_says_what_came_out(tmp_path: Path, items: Path) -> None:
    models = ["--model", SMALL, "--model", LARGE]
    chosen = run(tmp_path, "--task", str(items), *models, "--margin", "0.9")
    assert chosen.exit_code == 0, chosen.output
    assert "chosen" in chosen.stdout
    assert "Next:" in chosen.stderr
    open_ = run(tmp_path, "--task", str(items), *models, "--margin", "0.001", "--calls", "4", "--seed", "1")
    assert open_.exit_code == 3, open_.output


def test_a_study_file_can_be_changed_by_flags(tmp_path: Path, items: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f'[[task]]\nref = "{items.name}"\n[[candidate]]\nmodel = ["{SMALL}", "{LARGE}"]\n')
    told = run(tmp_path, str(file), "--samples", "10", "--margin", "0.5", "--json")
    verdict = json.loads(told.stdout)["verdicts"][0]
    assert verdict["margin"] == 0.5
    assert verdict["standings"][0]["planned"] == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"prompt": "a", "expected": "b"}\n{"prompt": 1', "line 2"),
        (b'{"prompt": "a"}', "no expected answer"),
        (b"", "no items"),
        (b'{"id": 1, "prompt": "a", "answer": "b"}\n{"id": 1, "prompt": "a", "answer": "b"}', "line 2: the id '1'"),
        (b'\xff\xfe{\x00"\x00', "UTF-16"),
        (b'{"prompt": "' + b"x" * 10_000_000 + b'", "expected": "b"}', "line 1: the line is longer"),
    ],
)
def test_a_broken_file_names_the_line_and_starts_nothing(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_bytes(content)
    told = run(tmp_path, "--task", str(file), "--model", SMALL)
    assert told.exit_code == 1
    assert message in str(told.exception)
    assert "broken.jsonl" in str(told.exception)


def test_a_server_that_does_not_listen_is_said_so(tmp_path: Path, items: Path) -> None:
    told = run(tmp_path, "--task", str(items), "--model", SMALL, "--model", "m@http://127.0.0.1:9/v1")
    assert "127.0.0.1:9" in told.stderr
    assert told.exit_code in (0, 3), told.output
