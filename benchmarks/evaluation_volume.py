"""50,000 trials: is memory flat, and how fast does a run go on after it was stopped?

    python benchmarks/evaluation_volume.py [--trials 50000]

Two candidates answer half of them each, through the engine, an instant mock server (another process) and the
store. Memory is this process's resident size. Then the last 1 % is taken out and a fresh process resumes:
imports, opens the store, replays every outcome into a race, and waits for its first new answer.
Bars: resident memory under 150 MB and no more than 10 MB of growth over the second half; resumed in under 2 s.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import uvloop

from sizewise.evaluation.running import Arm, evaluate_ready
from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import Candidate, Completion, Goal, Sample, Score, Settings, TrialKey
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.store.database import Store
from sizewise.tasks.base import Task
from sizewise.testing.mock_server import MockPlan, MockProcess

NAMES = ("small", "large")


def score(_: Sample, completion: Completion) -> Score:
    """Judge by the first word."""
    return Score(value=float(completion.text.startswith("w0")))


def sample(number: int) -> Sample:
    """Return an item; it is made when it is asked, so that items take no memory."""
    return Sample(id=f"item-{number}", prompt=f"question {number}: what comes next?", target="w0")


def resident_mb() -> float:
    """Return this process's resident memory, MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


async def arm(url: str, name: str) -> Arm:
    """Return an open candidate."""
    candidate = Candidate(name=name, model="mock", runtime="openai", settings=Settings(concurrency=64))
    runtime = OpenAIRuntime(url, "mock")
    return Arm(candidate, runtime, await runtime.start(), Task(name="volume", samples=[], score=score))


async def fill(url: str, path: Path, each: int) -> list[float]:
    """Ask and store; return the resident memory at every tenth of the way."""
    seen, done = [], 0
    with Store(path) as store:
        for name in NAMES:
            asked = await arm(url, name)
            async for trials in evaluate_ready(asked, ((sample(n), 0) for n in range(each))):
                store.add_trials("bench", trials, [(trial.prompt_hash, sample(0)) for trial in trials[:1]])
                done += len(trials)
                if done // (each // 5) > len(seen):
                    seen.append(resident_mb())
            await asked.runtime.close()
    return seen


def missing(path: Path, each: int) -> Iterator[TrialKey]:
    """Yield what a race that replayed the store has not heard of."""
    with Store(path) as store:
        race = Race(
            [RaceCandidate(name=name, cost=cost) for cost, name in enumerate(NAMES, 1)],
            [RaceItem(id=f"item-{n}") for n in range(each)],
            Goal(),
            0,
            1,
        )
        stored = store.outcomes("bench", "volume")
        race.replay(iter(stored))
        keys = {key for key, _ in stored}
    for name in NAMES:
        for number in range(each):
            key = TrialKey(candidate=name, sample=f"item-{number}")
            if key not in keys:
                yield key


async def resume(url: str, path: Path, each: int) -> None:
    """Ask the first missing trial."""
    key = next(missing(path, each))
    asked = await arm(url, key.candidate)
    async for _ in evaluate_ready(asked, [(sample(int(key.sample.split("-")[1])), 0)]):
        print("first new answer", flush=True)
    await asked.runtime.close()


def main() -> int:
    """Measure; return 0 where the bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--resume", nargs=2, metavar=("URL", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    each = options.trials // 2
    if options.resume:
        uvloop.run(resume(options.resume[0], Path(options.resume[1]), each))
        return 0
    with MockProcess(MockPlan(tokens=16, keep_truth=False)) as server, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.sqlite")
        began = time.monotonic()
        seen = uvloop.run(fill(server.url, path, each))
        took = time.monotonic() - began
        import sqlite3

        with sqlite3.connect(path) as connection:
            stored = connection.execute("SELECT count(*) FROM trials").fetchone()[0]
            connection.execute("DELETE FROM trials WHERE rowid % 100 = 99")
        connection.close()
        command = [sys.executable, __file__, "--trials", str(options.trials), "--resume", server.url, str(path)]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        resumed_s = time.monotonic() - began
        size_mb = path.stat().st_size / 1e6
    print("resident MB at each tenth: " + " ".join(f"{mb:.0f}" for mb in seen))
    print(f"{stored:,} trials stored in {took:.0f} s ({stored / took:,.0f}/s), {size_mb:.0f} MB on disk")
    grown = seen[-1] - seen[len(seen) // 2]
    print(
        f"volume: peak {max(seen):.0f} MB (bar 150), second half grows {grown:+.1f} MB (bar 10), "
        f"resumed in {resumed_s:.2f} s (bar 2)"
    )
    return 0 if max(seen) < 150 and grown <= 10 and resumed_s < 2 and stored == 2 * each else 1


if __name__ == "__main__":
    sys.exit(main())
