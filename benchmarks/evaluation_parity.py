"""The same questions embedded and through a llama.cpp server process: the same greedy answers, the same verdict?

    python benchmarks/evaluation_parity.py [--items 20]

Every size of the shipped ladder answers items of every skill twice: in the embedded engine (a pipe to a child
process) and over HTTP from a llama.cpp server process. Then one study is run both ways.
Bars: at least 99 % of the answers equal, every verdict equal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from importlib import resources
from pathlib import Path

from sizewise.evaluation.running import Arm, evaluate
from sizewise.records import Candidate, Goal, Settings, Study, TaskRef
from sizewise.runtimes.opening import open_runtime
from sizewise.store.database import Store
from sizewise.study.recipe import run_study
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task, task_names

SIZES = ("ladder-14k", "ladder-36k", "ladder-127k", "ladder-419k", "ladder-1m3")
WAYS = ("embedded", "llama-server")
STUDY_TASKS = ("skill:copy", "skill:add2", "skill:sort")


def candidate(size: str, way: str) -> Candidate:
    """Return a size of the ladder, run one way or the other."""
    path = Path(str(resources.files("sizewise.data"))) / "ladder" / f"{size}.gguf"
    settings = Settings(context_tokens=1024, max_output_tokens=32, threads=1, concurrency=4, chat=False)
    return Candidate(name=size, model=str(path), runtime=way, settings=settings)


async def answers(asked: Candidate, tasks: list[Task]) -> dict[tuple[str, str], str]:
    """Return (task, sample) -> answer; a failed request is its class."""
    runtime = open_runtime(asked)
    info = await runtime.start()
    told = {}
    for task in tasks:
        async for trial in evaluate(Arm(asked, runtime, info, task), [(sample, 0) for sample in task.samples]):
            told[task.name, trial.key.sample] = trial.error.split(":")[0] if trial.error else trial.answer
    await runtime.close()
    return told


async def verdicts(way: str, items: int, path: Path) -> list[tuple[str, str, str | None]]:
    """Return (task, outcome, chosen) of a study over all sizes."""
    study = Study(
        name=way,
        tasks=tuple(TaskRef(ref=name, samples=items) for name in STUDY_TASKS),
        candidates=tuple(candidate(size, way) for size in SIZES),
        goal=Goal(margin=0.1),
    )
    with Store(path) as store:
        return [(verdict.task, str(verdict.outcome), verdict.chosen) for verdict in await run_study(study, store)]


def main() -> int:
    """Measure; return 0 where the bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=20, help="items of each skill")
    items = parser.parse_args().items
    skills = [name for name in task_names() if name.startswith("skill:")]
    tasks = [load_task(TaskRef(ref=name, samples=items)) for name in skills]
    equal = total = 0
    for size in SIZES:
        one, other = (asyncio.run(answers(candidate(size, way), tasks)) for way in WAYS)
        same = sum(one[key] == other[key] for key in one)
        equal, total = equal + same, total + len(one)
        print(f"{size:12s} {same} of {len(one)} answers equal over {len(tasks)} skills")
        for key in [key for key in one if one[key] != other[key]][:3]:
            print(f"    {key}: {one[key]!r} / {other[key]!r}")
    with tempfile.TemporaryDirectory() as folder:
        ways = [asyncio.run(verdicts(way, 5 * items, Path(folder, f"{way}.sqlite"))) for way in WAYS]
    for ours, theirs in zip(*ways, strict=True):
        print(f"{ours[0]:12s} embedded: {ours[1]} {ours[2]}; server: {theirs[1]} {theirs[2]}")
    share = equal / total
    print(
        f"parity: {100 * share:.2f} % of {total:,} greedy answers equal (bar 99), verdicts equal: {ways[0] == ways[1]}"
    )
    return 0 if share >= 0.99 and ways[0] == ways[1] else 1


if __name__ == "__main__":
    sys.exit(main())
