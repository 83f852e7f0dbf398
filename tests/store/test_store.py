"""The store on real files: what is added comes back, once, after kills and by the second process too."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sizewise.errors import StoreError
from sizewise.records import (
    Candidate,
    Estimate,
    Measurement,
    Outcome,
    Prediction,
    Sample,
    Score,
    Skipped,
    Source,
    StopReason,
    Study,
    TaskRef,
    Timing,
    Trial,
    TrialKey,
    Verdict,
)
from sizewise.store.database import Store


def a_trial(number: int = 1, **changes: object) -> Trial:
    values: dict[str, object] = {
        "key": TrialKey(candidate="small", sample=f"s{number}"),
        "prompt_hash": "h",
        "answer": "an answer with \x1b[31m escapes, \u202e and \ud83d\ude00".encode("utf-16", "surrogatepass").decode(
            "utf-16"
        ),
        "score": Score(value=0.5, valid=False, axes={"efficiency": 0.25}),
        "stop_reason": StopReason.LENGTH,
        "timing": Timing(ttft_s=0.1, total_s=0.3, gaps_s=(0.1, 0.1)),
        "input_tokens": 7,
        "truncated": True,
        "task": "copy",
        "finished_at": 12.5,
    }
    return Trial(**{**values, **changes})  # type: ignore[arg-type]


def a_study() -> Study:
    return Study(name="n", tasks=(TaskRef(ref="copy"),), candidates=(Candidate(name="small", model="m"),))


def test_a_trial_comes_back_equal() -> None:
    with Store(":memory:") as store:
        store.add_trials("k", [a_trial()])
        assert list(store.trials("k", "copy")) == [a_trial()]


def test_a_failed_trial_has_no_score() -> None:
    failed = a_trial(score=None, error="timeout: 30 s", stop_reason=StopReason.ERROR)
    with Store(":memory:") as store:
        store.add_trials("k", [failed])
        assert list(store.trials("k")) == [failed]
        assert store.outcomes("k", "copy") == [(failed.key, None)]


def test_a_trial_is_never_changed_and_never_twice() -> None:
    with Store(":memory:") as store:
        store.add_trials("k", [a_trial()])
        store.add_trials("k", [a_trial(answer="other"), a_trial(2)])
        assert [trial.answer for trial in store.trials("k")] == [a_trial().answer, a_trial(2).answer]


def test_failures_are_set_aside_whole_and_the_trial_can_come_again() -> None:
    dead = a_trial(score=None, error="connect: nothing listens", stop_reason=StopReason.ERROR)
    long = a_trial(2, score=None, error="too_large: 9 tokens", stop_reason=StopReason.ERROR)
    other = a_trial(score=None, error="connect: nothing listens", stop_reason=StopReason.ERROR, task="sort")
    with Store(":memory:") as store:
        store.add_trials("k", [dead, long, a_trial(3), other])
        assert store.set_aside_failures("k", "copy", kept=("too_large",)) == 1
        assert list(store.trials("k", "copy")) == [long, a_trial(3)]
        assert list(store.trials("k", "sort")) == [other]
        store.add_trials("k", [a_trial()])
        assert store.set_aside_failures("k", "copy", kept=("too_large",)) == 0
        assert list(store.trials("k", "copy")) == [long, a_trial(3), a_trial()]
        assert list(store.failed_attempts("k")) == [dead]
        assert store.set_aside_failures("k", "copy") == 1


def test_studies_of_one_file_do_not_meet() -> None:
    with Store(":memory:") as store:
        store.add_trials("k", [a_trial()])
        store.add_trials("l", [a_trial()])
        assert len(list(store.trials("k"))) == 1


def test_a_study_and_everything_around_it_comes_back(tmp_path: Path) -> None:
    estimate = Estimate(value=1.0, low=0.5, high=2.0, source=Source.PREDICTED, detail="d")
    prediction = Prediction(candidate="small", memory_bytes=estimate, memory_parts={"weights": estimate})
    skipped = Skipped(candidate="large", reason="does not fit")
    measurement = Measurement(candidate="small", kind="memory", values={"peak_memory_bytes": estimate}, taken_at=1.0)
    verdict = Verdict(
        task="copy", outcome=Outcome.CHOSEN, chosen="small", best="large", certificate="c", because=("b",)
    )
    path = tmp_path / "deep" / "store.sqlite"
    with Store(path) as store:
        store.add_study("k", a_study(), now=1.0)
        store.add_outlook("k", prediction)
        store.add_outlook("k", skipped)
        store.add_measurement("k", measurement)
        store.add_verdict("k", verdict, now=1.0)
        store.add_trials("k", [a_trial()], [("h", Sample(id="s1", prompt="p", target={"a": 1}))])
    with Store(path) as store:
        assert store.study("k") == a_study()
        assert [row.name for row in store.studies()] == ["n"]
        assert sorted(store.outlooks("k"), key=lambda item: item.candidate) == [skipped, prediction]
        assert store.measurements("k") == [measurement]
        assert store.verdicts("k") == [verdict]
        assert store.prompt("h") == ("p", {"a": 1})


def test_the_newest_verdict_of_a_task_is_read() -> None:
    old = Verdict(task="t", outcome=Outcome.UNDECIDED, chosen=None, best=None, certificate="", because=())
    new = Verdict(task="t", outcome=Outcome.CHOSEN, chosen="small", best=None, certificate="", because=())
    with Store(":memory:") as store:
        store.add_verdict("k", old)
        store.add_verdict("k", new)
        assert store.verdicts("k") == [new]


def test_an_unknown_study_names_the_command_that_lists_them() -> None:
    with Store(":memory:") as store, pytest.raises(StoreError, match="report --list"):
        store.study("missing")


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="--store"):
        Store(path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(StoreError, match="update sizewise"):
        Store(path)


def test_a_second_running_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with (
        Store(path) as first,
        Store(path) as second,
        first.writing(),
        pytest.raises(StoreError, match="another sizewise"),
        second.writing(),
    ):
        pass


def test_half_a_surrogate_pair_in_an_answer_does_not_stop_the_study() -> None:
    with Store(":memory:") as store:
        store.add_trials("k", [a_trial(answer="a\ud800b")])
        assert [trial.answer for trial in store.trials("k")] == ["a?b"]


def test_what_was_added_survives_kill_nine(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    code = (
        "import sys, pathlib\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_store import a_trial\n"
        "from sizewise.store.database import Store\n"
        f"store = Store({str(path)!r})\n"
        "for number in range(10**6):\n"
        "    store.add_trials('k', [a_trial(number)])\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = 0
    for line in process.stdout:
        last = int(line)
        if last == 50:
            process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Store(path) as store:
        stored = [int(trial.key.sample[1:]) for trial in store.trials("k")]
    assert stored[: last + 1] == list(range(last + 1))
    assert len(stored) == len(set(stored))
