"""Ask an open candidate and yield a trial for every answer, at a fixed concurrency."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sized
from dataclasses import asdict, replace

from sizewise.evaluation.context_loss import ContextWatch
from sizewise.evaluation.spending import Spending
from sizewise.evaluation.trials import Origin, make_trial, prompt_bytes, prompt_hash
from sizewise.records import (
    Candidate,
    Completion,
    ErrorClass,
    Message,
    Request,
    Sample,
    Score,
    StopReason,
    Trial,
    TrialKey,
)
from sizewise.runtimes.base import EngineInfo, Runtime
from sizewise.tasks.base import Task

Prepare = Callable[[Sample, Candidate], Request]
"""Turns a sample into what the candidate is asked: retrieval and prompt variants come in here."""

OWN_SCHEMA = "sample"
"""Value of `settings.json_schema` that stands for the schema of each sample."""


def plain_request(sample: Sample, candidate: Candidate) -> Request:
    """Return the sample as it is: its system text, its prompt, its tools, the candidate's settings.

    >>> plain_request(Sample(id="1", prompt="2+2="), Candidate(name="a", model="m")).messages[0].content
    '2+2='
    """
    messages = [Message(role="user", content=sample.prompt)]
    if sample.system is not None:
        messages.insert(0, Message(role="system", content=sample.system))
    settings = candidate.settings
    if settings.json_schema == OWN_SCHEMA:
        settings = replace(settings, json_schema=sample.json_schema)
    return Request(messages=tuple(messages), settings=settings, model=candidate.model, tools=sample.tools)


class Arm:
    """A candidate whose runtime is open, with the task it is asked: what `evaluate` works on.

    It keeps what is learnt over many small batches, so one Arm serves a whole race. `score_in_thread` is for
    scorers that take long (code in a sandbox); others are called in place.
    """

    def __init__(
        self,
        candidate: Candidate,
        runtime: Runtime,
        engine: EngineInfo,
        task: Task,
        *,
        prepare: Prepare = plain_request,
        score_in_thread: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        settings = candidate.settings if candidate.settings.stop else replace(candidate.settings, stop=task.stop)
        self.candidate = replace(candidate, settings=settings)
        self.runtime = runtime
        self.task = task
        self.now = now
        self.stopped = ""
        """Why `evaluate` ended before its work did: the budget, or a server that died. Empty otherwise."""
        self._prepare = prepare
        self._score_in_thread = score_in_thread
        self._watch = ContextWatch()
        self._origin = Origin(
            candidate=candidate.name,
            task=task.name,
            engine=f"{engine.name} {engine.version}".strip(),
            model_hash=engine.model_hash,
            settings=json.dumps(asdict(settings), separators=(",", ":")),
            price=candidate.price,
        )

    async def ask(self, sample: Sample, repeat: int) -> Trial:
        """Return the trial of one sample; a repeat of a sampled (not greedy) answer gets a seed of its own."""
        request = self._prepare(sample, self.candidate)
        settings = request.settings
        if repeat and settings.temperature > 0:
            settings = replace(settings, seed=settings.seed + repeat)
            request = replace(request, settings=settings)
        prompt = prompt_bytes(request)
        completion = await self.runtime.generate(request)
        if completion.error is None:
            lost = self._watch.loss(len(prompt), completion.input_tokens)
            if lost:
                error = f"{ErrorClass.CONTEXT_LOST}: {lost}"
                completion = replace(completion, error=error, stop_reason=StopReason.ERROR)
        score = None if completion.error is not None else await self._judge(sample, completion)
        return make_trial(
            self._origin,
            TrialKey(candidate=self._origin.candidate, sample=sample.id, repeat=repeat),
            completion,
            score=score,
            hashed=prompt_hash(prompt),
            seed=settings.seed,
            cluster=sample.cluster,
            finished_at=self.now(),
        )

    async def _judge(self, sample: Sample, completion: Completion) -> Score:
        if self._score_in_thread:
            return await asyncio.to_thread(self.task.score, sample, completion)
        return self.task.score(sample, completion)


async def evaluate(
    arm: Arm, work: Iterable[tuple[Sample, int]], *, spending: Spending | None = None
) -> AsyncIterator[Trial]:
    """Yield a trial for every (sample, repeat) of `work`, in the order in which the answers end.

    See `evaluate_ready`, of which this is the flat form.
    """
    groups = evaluate_ready(arm, work, spending=spending)
    try:
        async for group in groups:
            for trial in group:
                yield trial
    finally:
        await groups.aclose()


async def evaluate_ready(
    arm: Arm, work: Iterable[tuple[Sample, int]], *, spending: Spending | None = None
) -> AsyncGenerator[list[Trial], None]:
    """Yield lists of trials, each with all that are ready, so that they can be stored together.

    `settings.concurrency` requests are in flight while there is work; `work` may be a generator, it is drawn
    from when a request can go out. A trial is yielded whole or not at all: closing the iterator cancels what is
    in flight. It ends early, with the reason in `arm.stopped`, when the budget is used up or the server died;
    trials not asked then are simply not there, so that a later run asks them. An exception of a scorer is raised.
    """
    arm.stopped = ""
    items = iter(work)
    ready: asyncio.Queue[Trial | BaseException | None] = asyncio.Queue()
    workers = max(1, arm.candidate.settings.concurrency)
    if isinstance(work, Sized):
        workers = min(workers, len(work))
    tasks = [asyncio.create_task(_work(arm, items, spending, ready)) for _ in range(workers)]
    try:
        while workers:
            results = [await ready.get()]
            while not ready.empty():
                results.append(ready.get_nowait())
            workers -= results.count(None)
            trials = [result for result in results if isinstance(result, Trial)]
            if trials:
                yield trials
            for result in results:
                if isinstance(result, BaseException):
                    raise result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(
    arm: Arm,
    items: Iterable[tuple[Sample, int]],
    spending: Spending | None,
    ready: asyncio.Queue[Trial | BaseException | None],
) -> None:
    """Ask one item after the other; put each trial, then None."""
    try:
        for sample, repeat in items:
            if arm.stopped:
                break
            if spending and not spending.start():
                arm.stopped = spending.exhausted()
                break
            trial = await arm.ask(sample, repeat)
            if trial.error and trial.error.startswith(ErrorClass.BREAKER):
                arm.stopped = trial.error
                break
            if spending:
                spending.add(trial)
            ready.put_nowait(trial)
    except Exception as problem:  # noqa: BLE001 - handed to the consumer, who raises it
        ready.put_nowait(problem)
    finally:
        ready.put_nowait(None)
