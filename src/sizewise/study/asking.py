"""Asking one candidate some samples of a task: open its engine, answer, judge, store."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence

from sizewise.errors import ConfigError, RuntimeFailure
from sizewise.evaluation.running import Arm, evaluate_ready, plain_request
from sizewise.evaluation.spending import Spending
from sizewise.records import Candidate, ErrorClass, Request, Sample, Skipped, Trial, TrialKey
from sizewise.store.database import Store
from sizewise.study.preparing import Prepared
from sizewise.study.residency import Residency
from sizewise.tasks.arms import apply_arms, open_retriever
from sizewise.tasks.base import Task

DEFAULT_CONTEXT_TOKENS = 4096
SETTLED_FAILURES = (ErrorClass.TOO_LARGE,)
"""Failures that would come again whatever has changed at the server: kept as they are when a study is resumed."""


def ask_failures_again(store: Store, key: str, tasks: Sequence[Task]) -> int:
    """Set aside the trials that failed in earlier runs, so that this one asks them again; return how many.

    For the beginning of a run. A dead server or a wrong key is no fault of the candidate; the attempts stay in the
    store and are counted nowhere.
    """
    return sum(store.set_aside_failures(key, task.name, kept=SETTLED_FAILURES) for task in tasks)


class Asker:
    """Answers samples of one task with any candidate of a study; every answer is stored before it is yielded."""

    def __init__(
        self, *, key: str, task: Task, prepared: Sequence[Prepared], store: Store, residency: Residency,
        spending: Spending,
    ) -> None:  # fmt: skip
        self.task = task
        self.samples = {sample.id: sample for sample in task.samples}
        self.prepared = {item.candidate.name: item for item in prepared}
        self._key, self._store, self._residency, self._spending = key, store, residency, spending
        self._arms: dict[str, Arm] = {}
        self._asked: dict[str, dict[str, Sample]] = {}
        self.gone: Skipped | None = None
        """Why the last candidate asked could not go on; None when it could."""
        self.stopped = ""
        """Which budget is spent; empty while there is some left."""

    async def ask(self, name: str, keys: Sequence[TrialKey]) -> AsyncIterator[Trial]:
        """Yield the trials of `keys`, all of candidate `name`, as stored; may end early (`gone`, `stopped`)."""
        self.gone = None
        try:
            self._asked[name] = asked = await self._in_arms(name, keys)
            arm = await self._arm(name)
        except (RuntimeFailure, ConfigError) as failure:
            self.gone = Skipped(candidate=name, reason=str(failure), stage="start")
            return
        work = [(self.samples[key.sample], key.repeat) for key in keys]
        async for trials in evaluate_ready(arm, work, spending=self._spending):
            prompts = [(trial.prompt_hash, asked[trial.key.sample]) for trial in trials]
            self._store.add_trials(self._key, trials, prompts)
            for trial in trials:
                yield trial
        self._residency.note_peak(name, arm.runtime)
        if arm.stopped and self._spending.exhausted():
            self.stopped = arm.stopped
        elif arm.stopped:
            self.gone = Skipped(candidate=name, reason=arm.stopped, stage="run")

    async def _in_arms(self, name: str, keys: Sequence[TrialKey]) -> dict[str, Sample]:
        """Return the samples in the candidate's retrieval arm and prompt variant, made before any request is timed."""
        candidate = self.prepared[name].candidate

        def asked() -> dict[str, Sample]:
            retriever = open_retriever(candidate)
            names = dict.fromkeys(key.sample for key in keys)
            return {sample: apply_arms(self.samples[sample], candidate, retriever) for sample in names}

        slow = candidate.retrieval.startswith("embedding")  # its model answers in a thread, so that nothing else waits
        return await asyncio.to_thread(asked) if slow else asked()

    async def _arm(self, name: str) -> Arm:
        candidate = for_task(self.prepared[name], self.task)
        loaded = await self._residency.get(candidate)
        arm = self._arms.get(name)
        if arm is None or arm.runtime is not loaded.runtime:
            arm = Arm(
                candidate, loaded.runtime, loaded.info, self.task,
                prepare=self._request, score_in_thread=self.task.slow_scorer,
            )  # fmt: skip
            self._arms[name] = arm
        return arm

    def _request(self, sample: Sample, candidate: Candidate) -> Request:
        return plain_request(self._asked[candidate.name][sample.id], candidate)


def request_for(sample: Sample, candidate: Candidate) -> Request:
    """Return what the candidate is asked: the sample in the candidate's retrieval arm and prompt variant."""
    return plain_request(apply_arms(sample, candidate, open_retriever(candidate)), candidate)


def for_task(prepared: Prepared, task: Task) -> Candidate:
    """Return the candidate with the settings that this task and its model ask for, where the study left them open."""
    candidate, model = prepared.candidate, prepared.model
    longest = model.context_tokens if model is not None and model.context_tokens else DEFAULT_CONTEXT_TOKENS
    settings = dataclasses.replace(
        candidate.settings,
        max_output_tokens=candidate.max_output_tokens or task.max_output_tokens,
        context_tokens=candidate.settings.context_tokens or min(DEFAULT_CONTEXT_TOKENS, longest),
        chat=candidate.settings.chat and not task.bare_prompts,
        stop=candidate.settings.stop or task.stop,
    )
    return dataclasses.replace(candidate, settings=settings)
