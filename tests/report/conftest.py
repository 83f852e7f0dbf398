"""A stored study with everything that a page can show, hostile text among it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sizewise.records import (
    Candidate,
    Estimate,
    Goal,
    Measurement,
    Outcome,
    Prediction,
    Sample,
    Score,
    Skipped,
    Source,
    Standing,
    StopReason,
    Study,
    TaskRef,
    Timing,
    Trial,
    TrialKey,
    Verdict,
)
from sizewise.store.database import Store

HOSTILE = (
    "<script>document.title='owned'</script>\x1b[31mred\x1b[0m \u202eright-to-left\u202c "
    '& "quotes" <img src=x onerror=alert(1)>'
)
NAMES = ("tiny", "<b>mid</b>", "large")


def estimate(value: float, spread: float = 0.05, source: Source = Source.MEASURED) -> Estimate:
    return Estimate(value=value, low=value - spread, high=value + spread, source=source)


def a_verdict(task: str) -> Verdict:
    standings = tuple(
        Standing(
            candidate=name, cost=10.0**number, answered=40, planned=100, score=estimate(0.5 + 0.2 * number),
            dropped="worse than the margin" if number == 0 else None,
        )
        for number, name in enumerate(NAMES)
    )  # fmt: skip
    return Verdict(
        task=task, outcome=Outcome.CHOSEN, chosen=NAMES[1], best="large", certificate="on these 100 items, 95 %",
        because=("it is within 5 points of large", HOSTILE), standings=standings, flips=("a margin of 1 point",),
        next_step="sizewise report", margin=0.05, warnings=("cut-off answers drive the difference",), calls=120,
        calls_full_grid=300,
    )  # fmt: skip


def a_trial(task: str, name: str, number: int) -> Trial:
    return Trial(
        key=TrialKey(candidate=name, sample=f"s{number}"), prompt_hash=f"{task}{number}", answer=HOSTILE, task=task,
        score=Score(value=float(number % 2 == NAMES.index(name) % 2)), stop_reason=StopReason.STOP,
        timing=Timing(total_s=0.1 * (1 + NAMES.index(name)), ttft_s=0.05), engine="llama.cpp", finished_at=1e9,
    )  # fmt: skip


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[Store, str]]:
    """A store with one study of two tasks, and the study's key."""
    candidates = tuple(Candidate(name=name, model=name) for name in (*NAMES, "giant"))
    tasks = (TaskRef(ref="copy"), TaskRef(ref="sort"))
    with Store(tmp_path / "store.sqlite") as store:
        store.add_study("k", Study(name=f"study {HOSTILE}", tasks=tasks, candidates=candidates, goal=Goal()))
        for task in ("copy", "sort"):
            store.add_verdict("k", a_verdict(task))
            prompts = [(f"{task}{n}", Sample(id=f"s{n}", prompt=HOSTILE, target="x")) for n in range(4)]
            store.add_trials("k", [a_trial(task, name, number) for name in NAMES for number in range(4)], prompts)
        for number, name in enumerate(NAMES):
            size = estimate(1e6 * 10**number, 0, Source.PUBLISHED)
            store.add_measurement("k", Measurement(candidate=name, kind="facts", values={"parameters": size}))
            peak = estimate(4e6 * 10**number, 0)
            store.add_measurement("k", Measurement(candidate=name, kind="memory", values={"peak_memory_bytes": peak}))
            parts = {"weights": estimate(3e6 * 10**number, 0), "kv_cache": estimate(2e6, 0)}
            store.add_outlook("k", Prediction(candidate=name, memory_bytes=peak, memory_parts=parts))
        store.add_outlook("k", Skipped(candidate="giant", reason="needs 900 GiB, 8 GiB are free"))
        yield store, "k"
