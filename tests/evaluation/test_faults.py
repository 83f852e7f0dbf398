"""Every way a server fails ends in the right class, once, with nothing lost."""

from __future__ import annotations

import time
from collections import Counter

from sizewise.evaluation.running import Arm, evaluate
from sizewise.records import Candidate, Sample, Score, Settings
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.retry import Breaker, RetryPolicy
from sizewise.tasks.base import Task
from sizewise.testing.fault_server import ANSWER, FAULTS, FaultServer, padded
from sizewise.testing.framing import DIALECTS


def patient(url: str) -> OpenAIRuntime:
    """A runtime that waits little and whose breaker never opens."""
    return OpenAIRuntime(
        url,
        "faulty",
        timeout_s=4.0,
        stall_s=1.5,
        policy=RetryPolicy(max_retries=2, base_s=0.01),
        breaker=Breaker(time.monotonic, threshold=10_000),
    )


def judge(sample: Sample, completion: object) -> Score:
    return Score(value=1.0)


async def test_every_fault_ends_in_its_class_and_nothing_is_lost() -> None:
    samples = [Sample(id=f"{name}/{n}", prompt=padded(name, n)) for n in range(2) for name in FAULTS]
    candidate = Candidate(name="x", model="faulty", settings=Settings(concurrency=16))
    async with FaultServer() as server:
        runtime = patient(server.url)
        engine = await runtime.start()
        arm = Arm(candidate, runtime, engine, Task(name="t", samples=samples, score=judge))
        trials = [trial async for trial in evaluate(arm, [(sample, 0) for sample in samples])]
        await runtime.close()
    assert Counter(trial.key.sample for trial in trials) == Counter(sample.id for sample in samples)
    for trial in trials:
        name = trial.key.sample.split("/")[0]
        fault = FAULTS[name]
        got = trial.error.split(":")[0] if trial.error else None
        assert got == (fault.ends_in and str(fault.ends_in)), (name, trial.error)
        assert (trial.score is None) == (fault.ends_in is not None)
        if fault.ends_in is None:
            assert trial.answer == ANSWER
            assert trial.stop_reason is fault.stop
        asked = server.attempts[padded(name, int(trial.key.sample.split("/")[1]))]
        assert asked == fault.asked, name


async def test_a_field_that_a_server_refuses_is_left_out_by_all_requests_under_way() -> None:
    """Sixteen go out before the first refusal comes back: each is sent again without the field, once."""
    candidate = Candidate(name="x", model="faulty", settings=Settings(concurrency=16))
    for name in DIALECTS:
        samples = [Sample(id=str(n), prompt=padded(name, n)) for n in range(32)]
        async with FaultServer() as server:
            runtime = patient(server.url)
            arm = Arm(candidate, runtime, await runtime.start(), Task(name="t", samples=samples, score=judge))
            trials = [trial async for trial in evaluate(arm, [(sample, 0) for sample in samples])]
            await runtime.close()
        assert [(trial.error, trial.answer) for trial in trials] == [(None, ANSWER)] * 32, name
        assert set(server.attempts.values()) == {1, 2}
