"""The spine on the shipped models: race, store, resume, verdict."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from sizewise.config import study_key
from sizewise.errors import ConfigError
from sizewise.ladder.family import base
from sizewise.records import Budget, Candidate, Goal, LoadTest, Outcome, Skipped, Study, TaskRef
from sizewise.store.database import Store
from sizewise.study.events import Event
from sizewise.study.recipe import run_study

SMALL, *_, LARGE = [model.name for model in base()]


def a_study(**changes: object) -> Study:
    study = Study(
        name="spine",
        tasks=(TaskRef(ref="skill:copy", samples=40),),
        candidates=(Candidate(name=SMALL, model=SMALL), Candidate(name=LARGE, model=LARGE)),
        goal=Goal(margin=0.2),
    )
    return dataclasses.replace(study, **changes)  # type: ignore[arg-type]


def run(study: Study, store: Store, events: list[Event] | None = None) -> list[object]:
    heard: list[Event] = [] if events is None else events
    return list(asyncio.run(run_study(study, store, on_event=heard.append)))


def test_a_study_ends_with_a_verdict_a_task(tmp_path: Path) -> None:
    study = a_study(tasks=(TaskRef(ref="skill:copy", samples=40), TaskRef(ref="skill:add3", samples=40)))
    with Store(tmp_path / "s.sqlite") as store:
        verdicts = run(study, store)
        assert [verdict.task for verdict in verdicts] == ["skill:copy", "skill:add3"]  # type: ignore[attr-defined]
        assert store.verdicts(study_key(study)) == verdicts


def test_every_trial_can_be_judged_again(tmp_path: Path) -> None:
    study = a_study()
    with Store(tmp_path / "s.sqlite") as store:
        run(study, store)
        trials = list(store.trials(study_key(study)))
        assert len({trial.key for trial in trials}) == len(trials) > 0
        for trial in trials:
            assert trial.error is None
            assert len(trial.model_hash) == 64
            assert trial.engine.startswith("llama.cpp")
            prompt = store.prompt(trial.prompt_hash)
            assert prompt is not None
            assert prompt[1] is not None


def test_a_second_run_asks_nothing_and_says_the_same(tmp_path: Path) -> None:
    study = a_study()
    with Store(tmp_path / "s.sqlite") as store:
        first = run(study, store)
        count = len(list(store.trials(study_key(study))))
        events: list[Event] = []
        assert run(study, store, events) == first
        assert len(list(store.trials(study_key(study)))) == count
        assert [event for event in events if event.stage == "asked"] == []


def test_a_stopped_study_goes_on_to_the_same_verdict(tmp_path: Path) -> None:
    study = a_study()
    with Store(tmp_path / "calm.sqlite") as store:
        calm = run(study, store)

    class Stop(Exception):
        pass

    def stop_after_thirty(event: Event) -> None:
        if event.stage == "asked" and event.done >= 30:
            raise Stop

    with Store(tmp_path / "stopped.sqlite") as store:
        with pytest.raises(Stop):
            asyncio.run(run_study(study, store, on_event=stop_after_thirty))
        assert len(list(store.trials(study_key(study)))) == 30
        again = run(study, store)
    told = ("task", "outcome", "chosen", "best", "calls")
    assert [[getattr(v, name) for name in told] for v in again] == [[getattr(v, name) for name in told] for v in calm]


def test_a_candidate_that_cannot_be_had_is_skipped_with_its_reason(tmp_path: Path) -> None:
    missing = Candidate(name="missing", model=str(tmp_path / "missing.gguf"))
    closed = Candidate(name="closed", model="m", runtime="openai", endpoint="http://127.0.0.1:9/v1")
    study = a_study(candidates=(Candidate(name=SMALL, model=SMALL), missing, closed))
    with Store(tmp_path / "s.sqlite") as store:
        verdict = run(study, store)[0]
        skipped = {o.candidate: o.reason for o in store.outlooks(study_key(study)) if isinstance(o, Skipped)}
    assert verdict.chosen == SMALL  # type: ignore[attr-defined]
    assert "missing.gguf" in skipped["missing"]
    assert "http://127.0.0.1:9/v1" in skipped["closed"]


def test_a_spent_budget_leaves_a_verdict_and_can_go_on(tmp_path: Path) -> None:
    study = a_study(budget=Budget(calls=10), tasks=(TaskRef(ref="skill:sort", samples=60),), goal=Goal(margin=0.02))
    with Store(tmp_path / "s.sqlite") as store:
        verdict = run(study, store)[0]
        assert verdict.outcome is Outcome.UNDECIDED  # type: ignore[attr-defined]
        assert len(list(store.trials(study_key(study)))) == 10
        run(dataclasses.replace(study, budget=Budget()), store)
        assert len(list(store.trials(study_key(study)))) > 10


def test_an_unknown_task_stops_before_anything_runs(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ConfigError, match="copy"):
            run(a_study(tasks=(TaskRef(ref="skill:cpoy"),)), store)
        assert store.studies() == []


def test_survivors_are_loaded_with_the_tasks_own_prompts(tmp_path: Path) -> None:
    study = a_study(
        load=LoadTest(users=2, duration_s=2.0),
        goal=Goal(margin=0.9, max_total_p95_s=5.0),
        candidates=(Candidate(name=LARGE, model=LARGE),),
    )
    with Store(tmp_path / "s.sqlite") as store:
        verdict = run(study, store)[0]
        loads = [m for m in store.measurements(study_key(study)) if m.kind == "load"]
    assert [(item.candidate, item.task) for item in loads] == [(LARGE, "skill:copy")]
    figures, why_not = set(loads[0].values), loads[0].detail
    if figures:
        assert {"goodput_per_s", "good_share", "score", "output_tokens_per_s"} <= figures
    else:  # a machine too busy to judge: nothing may be stated
        assert "the client itself lagged" in why_not or "no request was counted" in why_not
    assert verdict.chosen == LARGE  # type: ignore[attr-defined]
