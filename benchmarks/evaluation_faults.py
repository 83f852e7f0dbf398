"""Does every trial end in the right class when the server fails in every way it can?

    python benchmarks/evaluation_faults.py [--each 10]

Asks a server whose prompts name the failure (`sizewise.testing.fault_server`), 16 at a time, and stores every
trial. Bars: every trial in its class, none lost, none twice (in the stream and in the store), every prompt asked
as often as the policy says, the run ends by itself; then a server that dies in mid-run is given up on quickly.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sizewise.evaluation.running import Arm, evaluate_ready
from sizewise.records import Candidate, Completion, ErrorClass, Sample, Score, Settings, Trial
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.retry import Breaker, RetryPolicy
from sizewise.store.database import Store
from sizewise.tasks.base import Task
from sizewise.testing.fault_server import ANSWER, FAULTS, FaultServer, padded
from sizewise.testing.mock_server import MockPlan, MockProcess

LIMIT_S = 120.0


def score(sample: Sample, completion: Completion) -> Score:
    """Judge by exact match."""
    return Score(value=float(completion.text == sample.target))


async def ask_faults(each: int, path: Path) -> tuple[list[Trial], Counter[str], float]:
    """Return the trials, how often each prompt was asked, and the seconds it took."""
    samples = [Sample(id=f"{name}/{n}", prompt=padded(name, n), target=ANSWER) for n in range(each) for name in FAULTS]
    candidate = Candidate(name="faulty", model="faulty", settings=Settings(concurrency=16))
    began = time.monotonic()
    async with FaultServer() as server:
        runtime = OpenAIRuntime(
            server.url, "faulty", timeout_s=4.0, stall_s=1.5,
            policy=RetryPolicy(max_retries=2, base_s=0.01), breaker=Breaker(time.monotonic, threshold=10**9),
        )  # fmt: skip
        arm = Arm(candidate, runtime, await runtime.start(), Task(name="faults", samples=samples, score=score))
        trials: list[Trial] = []
        with Store(path) as store:
            async with asyncio.timeout(LIMIT_S):
                async for ready in evaluate_ready(arm, [(sample, 0) for sample in samples]):
                    store.add_trials("bench", ready)
                    trials += ready
        await runtime.close()
        return trials, server.attempts, time.monotonic() - began


async def ask_dying(url: str, kill: object) -> tuple[int, int, str, float]:
    """Return whole answers, failed trials, why it stopped, and the seconds from the server's death to the end."""
    samples = [Sample(id=str(n), prompt=f"question {n}") for n in range(5000)]
    runtime = OpenAIRuntime(url, "mock")
    candidate = Candidate(name="dying", model="mock", settings=Settings(concurrency=8))
    arm = Arm(candidate, runtime, await runtime.start(), Task(name="dying", samples=samples, score=score))
    whole, failed, died = 0, 0, 0.0
    async with asyncio.timeout(LIMIT_S):
        async for ready in evaluate_ready(arm, [(sample, 0) for sample in samples]):
            whole += sum(trial.error is None for trial in ready)
            failed += sum(trial.error is not None for trial in ready)
            if whole >= 200 and not died:
                kill()  # type: ignore[operator]
                died = time.monotonic()
    await runtime.close()
    return whole, failed, arm.stopped, time.monotonic() - died


def main() -> int:
    """Measure; return 0 where the bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=10, help="prompts for each kind of fault")
    each = parser.parse_args().each
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.sqlite")
        trials, attempts, took = asyncio.run(ask_faults(each, path))
        with Store(path) as store:
            stored = Counter(trial.key.sample for trial in store.trials("bench"))
    wrong = 0
    print(f"{'fault':24s} {'expected':18s} right of {each}")
    for name, fault in FAULTS.items():
        mine = [trial for trial in trials if trial.key.sample.split("/")[0] == name]
        expected = str(fault.ends_in) if fault.ends_in else None
        right = sum((trial.error.split(":")[0] if trial.error else None) == expected for trial in mine)
        right -= sum(trial.score is not None and trial.score.value != 1.0 for trial in mine)
        wrong += each - right
        print(f"{name:24s} {expected or 'whole answer':18s} {right}")
    planned = {f"{name}/{n}" for n in range(each) for name in FAULTS}
    seen = Counter(trial.key.sample for trial in trials)
    lost = len(planned - set(seen)) + len(planned - set(stored))
    twice = sum(count - 1 for counter in (seen, stored) for count in counter.values())
    asked = sum(attempts[padded(name, n)] != fault.asked for name, fault in FAULTS.items() for n in range(each))
    with MockProcess(MockPlan(tokens=4, gap_s=0.002)) as server:
        whole, failed, stopped, took_dying = asyncio.run(ask_dying(server.url, server.kill))
    gave_up = stopped.startswith(ErrorClass.BREAKER) and took_dying < 60
    print(f"server killed in mid-run: {whole} whole answers, {failed} failed, given up after {took_dying:.1f} s")
    print(f"    {stopped}")
    print(
        f"faults: {wrong} of {len(planned)} in a wrong class, {lost} lost, {twice} twice, {asked} not asked as often "
        f"as the policy says, ended by itself in {took:.1f} s (bar 0, 0, 0, 0, ends)"
    )
    return 0 if wrong == lost == twice == asked == 0 and gave_up else 1


if __name__ == "__main__":
    sys.exit(main())
