"""`sizewise tasks` and the examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil

import pytest
from click.testing import CliRunner

import sizewise.tasks
from sizewise.cli.tasks import command

MODULES = [
    module.name
    for module in pkgutil.walk_packages(sizewise.tasks.__path__, "sizewise.tasks.")
    if "skills" not in module.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_list_names_packs_levels_and_skills() -> None:
    shown = CliRunner().invoke(command, [])
    assert shown.exit_code == 0
    for text in ("structured", "long_context", "bias", "copy", "next: sizewise tasks"):
        assert text in shown.output
    data = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert len(data["packs"]) == 11
    assert "copy" in data["skills"]


def test_items_are_printed_for_people_and_as_json() -> None:
    shown = CliRunner().invoke(command, ["structured", "--level", "2", "-n", "2", "--kind", "call"])
    assert "expected:" in shown.output
    assert "next: sizewise run" in shown.output
    lines = CliRunner().invoke(command, ["copy", "-n", "3", "--json"]).output.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["copy-0-0", "copy-0-1", "copy-0-2"]


def test_the_train_side_can_be_asked_for() -> None:
    sides = [
        CliRunner().invoke(command, ["bias", "--level", "1", "-n", "5", "--split", side, "--json"]).output
        for side in ("train", "test")
    ]
    assert sides[0] != sides[1]
