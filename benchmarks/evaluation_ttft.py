"""Are the times true? TTFT and inter-token times against the mock server's own log, 50 streams at once.

    python benchmarks/evaluation_ttft.py

The server (a process of its own) writes a token every 10 ms after 50 ms and logs each write on the clock that all
processes share. Error of TTFT: ours minus (first write minus start of our request). Error of a gap: ours minus
the distance of the two writes. Bar: |error| within 1 ms at the median (p50).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import uvloop

from sizewise.records import Completion, Message, Request, Settings
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.testing.mock_server import MockPlan, MockProcess

STREAMS = 50
ROUNDS = 4
PLAN = MockPlan(tokens=40, ttft_s=0.05, gap_s=0.01)


async def ask(url: str) -> list[tuple[str, float, Completion]]:
    """Return (prompt, start on the shared clock, completion) of every request."""
    runtime = OpenAIRuntime(url, "mock")
    await runtime.start()

    async def one(prompt: str) -> tuple[str, float, Completion]:
        request = Request(messages=(Message(role="user", content=prompt),), settings=Settings(), model="mock")
        began = time.monotonic()
        return prompt, began, await runtime.generate(request)

    answers = []
    for number in range(ROUNDS):
        answers += await asyncio.gather(*(one(f"{number}/{stream}") for stream in range(STREAMS)))
    await runtime.close()
    return answers


def main() -> int:
    """Measure; return 0 where the bar holds."""
    with MockProcess(PLAN) as server:
        answers = uvloop.run(ask(server.url))
        truth = server.fetch_truth()
    first_errors, gap_errors = [], []
    for prompt, began, completion in answers:
        writes, timing = truth[prompt], completion.timing
        if completion.error or timing.ttft_s is None or len(timing.gaps_s) != len(writes) - 1:
            raise SystemExit(f"an answer is not whole: {completion}")
        first_errors.append(timing.ttft_s - (writes[0] - began))
        distances = map(float.__sub__, writes[1:], writes)
        gap_errors += [gap - distance for gap, distance in zip(timing.gaps_s, distances, strict=True)]
    worst = 0.0
    print(f"{STREAMS} streams at once, {len(first_errors)} answers, {len(gap_errors)} gaps; absolute error in ms")
    for name, errors in (("TTFT", first_errors), ("inter-token", gap_errors)):
        sizes = sorted(1000 * abs(error) for error in errors)
        p50, p95 = statistics.median(sizes), sizes[int(0.95 * len(sizes))]
        worst = max(worst, p50)
        print(
            f"{name:12s} p50 {p50:.3f}  p95 {p95:.3f}  max {sizes[-1]:.3f}  "
            f"mean signed {1000 * statistics.fmean(errors):+.3f}"
        )
    print(f"ttft: worst median error {worst:.3f} ms (bar 1 ms)")
    return 0 if worst <= 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
