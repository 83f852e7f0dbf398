"""Whole grids of answers: everything asked once, models side by side, what cannot be had is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sizewise.errors import ConfigError
from sizewise.records import Candidate, Settings, Skipped, TaskRef
from sizewise.store.database import Store
from sizewise.study.events import Event
from sizewise.study.grid import ask_all, grid_study

SETTINGS = Settings(context_tokens=512, threads=1, chat=False)


def candidate(name: str, model: str) -> Candidate:
    return Candidate(name=name, model=model, settings=SETTINGS)


SMALL, LARGER = candidate("a", "ladder-14k"), candidate("b", "ladder-36k")
COPY, FAR, NEAR = (
    TaskRef(ref="skill:copy", samples=4), TaskRef(ref="skill:needle", samples=3, level=3),
    TaskRef(ref="skill:needle", samples=3, level=2),
)  # fmt: skip


async def test_every_pair_is_asked_once_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    asks = [(SMALL, COPY), (SMALL, FAR), (LARGER, COPY), (LARGER, NEAR)]
    told: list[Event] = []
    with Store(tmp_path / "store.sqlite") as store:
        key = await ask_all("grid", asks, store, lanes=2, on_event=told.append)
        trials = list(store.trials(key))
        again = await ask_all("grid", asks, store, lanes=2, on_event=told.append)
        assert again == key
        assert len(list(store.trials(key))) == len(trials) == 14
    tasks = {(trial.key.candidate, trial.task) for trial in trials}
    assert ("a", "skill:needle level 3 seed 0") in tasks
    assert ("b", "skill:needle level 2 seed 0") in tasks
    assert ("a", "skill:needle level 2 seed 0") not in tasks
    asked = [event for event in told if event.stage == "asked"]
    assert [event.done for event in asked] == list(range(1, 15))
    assert {event.planned for event in asked} == {14}


async def test_a_model_that_is_not_there_is_skipped_and_the_others_answer(tmp_path: Path) -> None:
    asks = [(candidate("gone", str(tmp_path / "gone.gguf")), COPY), (SMALL, COPY)]
    with Store(tmp_path / "store.sqlite") as store:
        key = await ask_all("grid", asks, store)
        outlooks = store.outlooks(key)
        assert {trial.key.candidate for trial in store.trials(key)} == {"a"}
    assert any(isinstance(o, Skipped) and o.candidate == "gone" for o in outlooks)


def test_a_grid_is_one_study_whatever_the_order_of_its_pairs_repeats() -> None:
    study = grid_study("grid", [(SMALL, COPY), (LARGER, COPY), (SMALL, FAR)])
    assert [c.name for c in study.candidates] == ["a", "b"]
    assert len(study.tasks) == 2


async def test_a_task_named_twice_with_other_counts_is_refused(tmp_path: Path) -> None:
    more = TaskRef(ref="skill:copy", samples=5)
    with Store(tmp_path / "store.sqlite") as store, pytest.raises(ConfigError, match="twice"):
        await ask_all("grid", [(SMALL, COPY), (LARGER, more)], store)
