"""Does every trial end in the right class when the server fails in every way it can?

    python benchmarks/evaluation_faults.py [--each 10] [--damaged 2000]

Asks a server whose prompts name the failure (`sizewise.testing.fault_server`), 16 at a time, and stores every
trial. Bars: every trial in its class, none lost, none twice (in the stream and in the store), every prompt asked
as often as the policy says, the run ends by itself; then a server that dies in mid-run is given up on quickly.
Last, answers damaged at random (bytes changed, cut out, doubled; JSON values swapped for others): every one must end
as a trial that is stored and read back the same, with no exception; which class is not judged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

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


STRANGE = (None, True, -1, 10**40, float("nan"), "", "\ud83d", [], {}, [[]], {"x": None}, "\x00")
"""Values that stand where others are expected."""


def damaged(rng: Random) -> bytes:
    """Return a whole answer with head and body, damaged in one to four places."""
    chunks: list[Any] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        *({"choices": [{"index": 0, "delta": {"content": piece}, "logprobs": {"content": [{"logprob": -0.1}]}}]}
          for piece in ANSWER.split()),
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "timings": {"prompt_ms": 1.5, "predicted_ms": 2.5}},
        {"choices": [], "usage": {"prompt_tokens": 400, "completion_tokens": 5, "total_tokens": 405}},
    ]  # fmt: skip
    for _ in range(rng.randrange(3)):
        swap(rng, chunks)
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    whole = bytearray(head + body)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(0 if rng.random() < 0.2 else len(head), len(whole))
        end = min(len(whole), at + rng.choice((1, 1, 2, 40, 4000)))
        whole[at:end] = rng.choice((b"", bytes(whole[at:end]) * 2, rng.randbytes(end - at)))
    return bytes(whole)


def swap(rng: Random, value: Any) -> None:
    """Put a strange value somewhere into nested lists and dicts."""
    while True:
        place = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        inner = value[place]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            value[place] = rng.choice(STRANGE)
            return
        value = inner


async def ask_damaged(count: int, path: Path) -> tuple[Counter[str], int]:
    """Return how the trials ended, and how many were not stored and read back the same."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        told = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(told[0].split(b":")[1])) if told else b""
        if body:
            number = json.loads(body)["messages"][-1]["content"].split()[1].removeprefix("#")
            writer.write(damaged(Random(f"damaged {number}")))
        else:
            writer.write(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    runtime = OpenAIRuntime(
        url, "faulty", timeout_s=10.0, policy=RetryPolicy(max_retries=1, base_s=0.001),
        breaker=Breaker(time.monotonic, threshold=10**9),
    )  # fmt: skip
    samples = [Sample(id=str(n), prompt=padded("damaged", n), target=ANSWER) for n in range(count)]
    candidate = Candidate(name="damaged", model="faulty", settings=Settings(concurrency=16))
    arm = Arm(candidate, runtime, await runtime.start(), Task(name="damaged", samples=samples, score=score))
    asked: dict[str, Trial] = {}
    with Store(path) as store:
        async for ready in evaluate_ready(arm, [(sample, 0) for sample in samples]):
            store.add_trials("damaged", ready)
            asked |= {trial.key.sample: trial for trial in ready}
        kept = {trial.key.sample: trial for trial in store.trials("damaged")}
    await runtime.close()
    server.close()
    off = sum(sample.id not in kept or kept[sample.id] != asked.get(sample.id) for sample in samples)
    return Counter(trial.error.split(":")[0] if trial.error else "answer" for trial in asked.values()), off


def main() -> int:
    """Measure; return 0 where the bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=10, help="prompts for each kind of fault")
    parser.add_argument("--damaged", type=int, default=2000, help="answers damaged at random")
    options = parser.parse_args()
    each = options.each
    with tempfile.TemporaryDirectory() as folder:
        ends, off = asyncio.run(ask_damaged(options.damaged, Path(folder, "damaged.sqlite")))
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
    print(f"damaged at random: {dict(ends.most_common())}")
    print(
        f"faults: {wrong} of {len(planned)} in a wrong class, {lost} lost, {twice} twice, {asked} not asked as often "
        f"as the policy says, ended by itself in {took:.1f} s (bar 0, 0, 0, 0, ends); "
        f"{off} of {options.damaged:,} damaged answers not a stored trial (bar 0)"
    )
    return 0 if wrong == lost == twice == asked == off == 0 and gave_up else 1


if __name__ == "__main__":
    sys.exit(main())
