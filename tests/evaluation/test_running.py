"""The engine: every trial whole, once, with its failure axes; budgets, cancelling, lazy work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sizewise.evaluation.context_loss import ContextWatch
from sizewise.evaluation.repetition import ending_loop, looped
from sizewise.evaluation.running import Arm, evaluate, evaluate_ready
from sizewise.evaluation.spending import Spending
from sizewise.evaluation.trials import cost_usd, prompt_bytes, prompt_hash
from sizewise.records import (
    Budget,
    Candidate,
    Completion,
    ErrorClass,
    Message,
    Price,
    Request,
    Sample,
    Score,
    Settings,
    StopReason,
    Timing,
    Trial,
)
from sizewise.runtimes.opening import open_runtime
from sizewise.tasks.base import Task
from sizewise.testing.mock_server import Answer, MockPlan, MockServer, words

MODEL = Path(str(resources.files("sizewise.data"))) / "ladder" / "ladder-36k.gguf"


def exact(sample: Sample, completion: Completion) -> Score:
    return Score(value=float(completion.text.strip() == sample.target))


def samples(count: int) -> list[Sample]:
    return [Sample(id=str(n), prompt=f"question {n}", target="w0 w1 w2", cluster=f"c{n % 2}") for n in range(count)]


@asynccontextmanager
async def mock_arm(
    plan: MockPlan, *, answer: Answer = words, task: Task | None = None, price: Price | None = None, **settings: object
) -> AsyncIterator[tuple[Arm, MockServer]]:
    async with MockServer(plan, answer) as server:
        candidate = Candidate(
            name="mock", model="mock", runtime="openai", endpoint=server.url, price=price,
            settings=Settings(**settings),  # type: ignore[arg-type]
        )  # fmt: skip
        runtime = open_runtime(candidate)
        arm = Arm(candidate, runtime, await runtime.start(), task or Task(name="t", samples=[], score=exact))
        yield arm, server
        await runtime.close()


async def collect(arm: Arm, work: list[tuple[Sample, int]], spending: Spending | None = None) -> list[Trial]:
    return [trial async for trial in evaluate(arm, work, spending=spending)]


async def test_every_sample_and_repeat_becomes_one_trial_that_says_where_it_is_from() -> None:
    price = Price(input_usd_per_mtok=1e6, output_usd_per_mtok=1e6)
    async with mock_arm(MockPlan(tokens=3), concurrency=4, price=price) as (arm, _):
        work = [(sample, repeat) for sample in samples(10) for repeat in range(2)]
        trials = await collect(arm, work)
    assert {(t.key.sample, t.key.repeat) for t in trials} == {(s.id, r) for s, r in work}
    assert len(trials) == 20
    first = next(trial for trial in trials if trial.key.sample == "3")
    assert first.score == Score(value=1.0)
    assert (first.task, first.cluster, first.engine, first.key.candidate) == ("t", "c1", "OpenAI-compatible", "mock")
    assert (first.input_tokens, first.output_tokens, first.counted_tokens) == (2, 3, 3)
    assert first.cost_usd == 5.0
    assert '"concurrency":4' in first.settings
    assert first.finished_at > 1.7e9


async def test_concurrency_is_fixed_and_work_is_drawn_only_when_it_can_go_out() -> None:
    drawn = []

    def lazily() -> Iterator[tuple[Sample, int]]:
        for sample in samples(30):
            drawn.append(sample.id)
            yield sample, 0

    async with mock_arm(MockPlan(tokens=2, gap_s=0.001), concurrency=3) as (arm, server):
        most = 0
        seen = 0
        async for group in evaluate_ready(arm, lazily()):
            seen += len(group)
            most = max(most, server.busy)
            assert len(drawn) <= seen + 3
    assert seen == 30
    assert most <= 3


async def test_closing_early_cancels_and_yields_nothing_twice() -> None:
    async with mock_arm(MockPlan(tokens=50, gap_s=0.002), concurrency=5) as (arm, _):
        got = []
        async with aclosing(evaluate(arm, [(sample, 0) for sample in samples(50)])) as trials:
            async for trial in trials:
                got.append(trial)
                break
        assert len(got) == 1
        assert got[0].error is None
        assert len(asyncio.all_tasks()) == 1
        rest = [(sample, 0) for sample in samples(8) if sample.id != got[0].key.sample]
        assert len(await collect(arm, rest)) == 7


@pytest.mark.parametrize(
    ("budget", "least", "most", "says"),
    [
        (Budget(calls=7), 7, 7, "7 calls"),
        (Budget(tokens=25), 5, 8, "25 tokens"),
        (Budget(usd=25.0), 5, 8, "$25"),
        (Budget(seconds=0.0), 0, 0, "0 s"),
    ],
)
async def test_a_budget_ends_the_run_and_says_so(budget: Budget, least: int, most: int, says: str) -> None:
    price = Price(input_usd_per_mtok=1e6, output_usd_per_mtok=1e6)
    async with mock_arm(MockPlan(tokens=3), concurrency=3, price=price) as (arm, _):
        trials = await collect(arm, [(sample, 0) for sample in samples(40)], Spending(budget))
    assert least <= len(trials) <= most
    assert says in arm.stopped


async def test_an_exception_of_a_scorer_is_raised_and_stops_the_run() -> None:
    def broken(sample: Sample, completion: Completion) -> Score:
        raise ZeroDivisionError(sample.id)

    async with mock_arm(MockPlan(tokens=3), task=Task(name="t", samples=[], score=broken)) as (arm, _):
        with pytest.raises(ZeroDivisionError):
            await collect(arm, [(sample, 0) for sample in samples(5)])


async def test_a_slow_scorer_runs_in_a_thread() -> None:
    threads = set()

    def slow(sample: Sample, completion: Completion) -> Score:
        threads.add(threading.current_thread())
        return Score(value=1.0)

    async with mock_arm(MockPlan(tokens=3), task=Task(name="t", samples=[], score=slow)) as (arm, _):
        threaded = Arm(arm.candidate, arm.runtime, await arm.runtime.start(), arm.task, score_in_thread=True)
        await collect(threaded, [(samples(1)[0], 0)])
    assert threading.main_thread() not in threads


async def test_failure_axes_are_told_apart() -> None:
    answers = {"empty": ["  "], "loop": ["ab "] * 40, "long": ["word"] + [f" w{n}" for n in range(39)], "good": ["ok"]}
    async with mock_arm(MockPlan(), answer=lambda prompt, _: answers[prompt], max_output_tokens=30) as (arm, _):
        work = [(Sample(id=name, prompt=name, target="ok"), 0) for name in answers]
        trials = {trial.key.sample: trial for trial in await collect(arm, work)}
    flags = {name: (trial.truncated, trial.empty, trial.looped) for name, trial in trials.items()}
    assert flags == {
        "empty": (False, True, False),
        "loop": (True, False, True),
        "long": (True, False, False),
        "good": (False, False, False),
    }


async def test_a_server_that_drops_the_prompt_without_a_word_is_found_out() -> None:
    def sized(number: int, size: int) -> Sample:
        return Sample(id=str(number), prompt=f"{number} " + "text " * size)

    async with mock_arm(MockPlan(tokens=3, context_tokens=512)) as (arm, _):
        short = await collect(arm, [(sized(n, 100), 0) for n in range(6)])
        (long,) = await collect(arm, [(sized(9, 1000), 0)])
    assert all(trial.error is None for trial in short)
    assert long.error
    assert long.error.startswith(ErrorClass.CONTEXT_LOST)
    assert long.score is None


@checked(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 50_000), st.floats(0.2, 0.4)), max_size=30))
def test_honest_counts_are_never_called_a_loss(prompts: list[tuple[int, float]]) -> None:
    watch = ContextWatch()
    assert [watch.loss(size, max(1, round(size * ratio))) for size, ratio in prompts] == [None] * len(prompts)


@checked(deadline=None, max_examples=60)
@given(st.text("abc ", min_size=1, max_size=12), st.integers(4, 30), st.text(max_size=40))
def test_a_repeated_ending_is_found_with_its_period(unit: str, times: int, before: str) -> None:
    period, length = ending_loop(before + unit * times)
    assert length >= len(unit) * times
    assert 0 < period <= length / 4


@checked(deadline=None, max_examples=60)
@given(st.permutations([f"{n:03d}" for n in range(60)]))
def test_text_that_never_repeats_is_no_loop(words_of_it: list[str]) -> None:
    assert not looped(" ".join(words_of_it), truncated=True)


async def test_repeats_of_sampled_answers_have_seeds_of_their_own() -> None:
    settings = Settings(context_tokens=256, max_output_tokens=24, threads=1, temperature=1.5, seed=3)
    candidate = Candidate(name="a", model=str(MODEL), settings=settings)
    runtime = open_runtime(candidate)
    arm = Arm(candidate, runtime, await runtime.start(), Task(name="t", samples=[], score=exact))
    sample = Sample(id="1", prompt="sort ", target="")
    first = await collect(arm, [(sample, repeat) for repeat in range(4)])
    again = await collect(arm, [(sample, repeat) for repeat in range(4)])
    await runtime.close()
    assert [trial.seed for trial in first] == [3, 4, 5, 6]
    assert len({trial.answer for trial in first}) > 1
    assert [trial.answer for trial in first] == [trial.answer for trial in again]
    assert all(trial.mean_logprob is not None and trial.mean_logprob <= 0 for trial in first)


def test_prompts_differ_in_their_hash_when_anything_the_model_sees_differs() -> None:
    base = Request(messages=(Message(role="user", content="hi"),), settings=Settings(), model="m")
    others = [
        replace(base, messages=(Message(role="system", content="hi"),)),
        replace(base, messages=(Message(role="user", content="hi "),)),
        replace(base, tools="[]"),
    ]
    hashes = {prompt_hash(prompt_bytes(request)) for request in (base, *others)}
    assert len(hashes) == 4
    assert prompt_hash(prompt_bytes(replace(base, model="other"))) in hashes


def test_a_price_needs_token_counts() -> None:
    price = Price(input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)
    unknown = Completion(text="", stop_reason=StopReason.STOP, timing=Timing())
    assert cost_usd(price, unknown) is None
    assert cost_usd(None, replace(unknown, input_tokens=5)) is None
