"""The command on the real shipped models, through the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sizewise.cli.check import command
from sizewise.store.database import Store


def check(*arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("check")
    result = check(
        "--only", "retrieval", "--samples", "8", "--store", str(folder / "store.sqlite"), "--out",
        str(folder / "page.html"), "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    return folder, json.loads(result.stdout)


def test_a_claim_is_measured_and_every_answer_is_stored(measured: tuple[Path, dict[str, object]]) -> None:
    folder, data = measured
    claim = data["claims"][0]  # type: ignore[index]
    estimate = claim["judgement"]["estimate"]
    assert estimate["low"] <= estimate["value"] <= estimate["high"]
    with Store(folder / "store.sqlite") as store:
        trials = list(store.trials(str(data["study"])))
        kinds = [m.kind for m in store.measurements(str(data["study"]))]
    assert len(trials) >= claim["judgement"]["trials"] > 0
    assert all(trial.engine and trial.model_hash for trial in trials)
    assert "claim" in kinds
    assert {"+given" in trial.key.candidate for trial in trials} == {True, False}


def test_running_again_asks_nothing_and_finds_the_same(measured: tuple[Path, dict[str, object]]) -> None:
    folder, data = measured
    again = check(
        "--only",
        "4",
        "--samples",
        "8",
        "--store",
        str(folder / "store.sqlite"),
        "--out",
        str(folder / "two.html"),
        "--json",
    )
    found = json.loads(again.stdout)
    assert found["claims"][0]["judgement"] == data["claims"][0]["judgement"]  # type: ignore[index]


def test_the_page_shows_finding_refutation_comparisons_and_published_cases(
    measured: tuple[Path, dict[str, object]],
) -> None:
    page = (measured[0] / "page.html").read_text()
    for text in ("Refuted by:", "Every comparison", "Published cases", "RETRO 7.5B", "How it was measured"):
        assert text in page


def on_stored(measured: tuple[Path, dict[str, object]], *more: str) -> Result:
    folder, data = measured
    where = ("--store", str(folder / "store.sqlite"), "--out", str(folder / "on.html"))
    return check("--on", str(data["study"]), *more, *where)


def test_a_stored_study_is_judged_as_it_was_when_it_was_asked(measured: tuple[Path, dict[str, object]]) -> None:
    (claim,) = json.loads(on_stored(measured, "--only", "retrieval", "--json").stdout)["claims"]
    assert claim["judgement"] == measured[1]["claims"][0]["judgement"]  # type: ignore[index]


def test_a_study_that_cannot_answer_a_claim_says_what_is_missing(measured: tuple[Path, dict[str, object]]) -> None:
    result = on_stored(measured, "--only", "context")
    assert result.exit_code == 3
    assert "Not measured here" in result.stdout
    assert "none fits" in result.stdout
    said = on_stored(measured, "--only", "size", "--fact", "ladder-14k:kind=undertrained")
    assert "1. More parameters always mean better." in said.stdout


@pytest.mark.parametrize("fact", ["tokens=2T", "a:tokens", "a:=2"])
def test_a_fact_of_the_wrong_form_is_a_usage_error(fact: str) -> None:
    assert check("--on", "0123", "--fact", fact).exit_code == 2
    assert check("--fact", "a:tokens=2T").exit_code == 2


def test_the_list_needs_no_models() -> None:
    text = check("--list").stdout
    assert text.count("refuted by:") == 10
    assert len(json.loads(check("--list", "--json").stdout)) == 10
