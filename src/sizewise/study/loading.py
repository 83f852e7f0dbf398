"""The survivors of the race under load: latency, goodput and the price of an accepted answer, from one test."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sizewise.errors import RuntimeFailure
from sizewise.loadgen.appraisal import Appraisal, Ask, appraise
from sizewise.loadgen.endpoint import Endpoint, find_endpoint
from sizewise.loadgen.launch import launched
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.records import Completion, Estimate, LoadTest, Measurement, Source, Study, Verdict
from sizewise.study.asking import for_task, request_for
from sizewise.study.events import Event, OnEvent
from sizewise.study.preparing import OWN_FILES, Prepared
from sizewise.tasks.base import Task


async def load_survivors(
    study: Study, load: LoadTest, task: Task, prepared: Sequence[Prepared], verdict: Verdict, on_event: OnEvent
) -> list[Measurement]:
    """Return a measurement of kind "load" for every candidate that the race left in; those it dropped are not loaded.

    Latency counts from the intended start, so waiting counts. A server that cannot be loaded is noted and left out.
    """
    left = {standing.candidate for standing in verdict.standings if standing.dropped is None and standing.answered}
    found = []
    for item in prepared:
        name = item.candidate.name
        if name not in left:
            continue
        on_event(Event(stage="load", task=task.name, candidate=f"{name} under load"))
        try:
            appraisal = await _appraise(study, load, task, item)
        except RuntimeFailure as failure:
            on_event(Event(stage="note", task=task.name, text=f"{name} was not loaded: {failure}"))
            continue
        found.append(_measurement(appraisal, name, task))
    return found


async def _appraise(study: Study, load: LoadTest, task: Task, item: Prepared) -> Appraisal:
    async with _opened(item, task, load) as (endpoint, pids):
        candidate = for_task(item, task)
        settings = dataclasses.replace(candidate.settings, chat=endpoint.chat and candidate.settings.chat)
        asked = dataclasses.replace(candidate, model=endpoint.model, settings=settings)

        def judge(prompt: int, answer: Completion) -> float:
            return task.score(task.samples[prompt], answer).value

        hour = load.usd_per_hour
        ask = Ask(
            plan=_plan(load, study.seed),
            slo=Slo(ttft_s=study.goal.max_ttft_p95_s, total_s=study.goal.max_total_p95_s),
            requests=[request_for(sample, asked) for sample in task.samples],
            judge=judge,
            price=item.candidate.price,
            usd_per_hour=None if hour is None else Estimate(value=hour, low=hour, high=hour, source=Source.ASSUMED),
        )
        return await appraise(item.candidate.name, endpoint, ask, server_pids=pids)


def _plan(load: LoadTest, seed: int) -> LoadPlan:
    warmup_s = load.duration_s / 10
    if load.users is not None:
        return LoadPlan(
            arrivals="closed",
            users=load.users,
            duration_s=load.duration_s,
            warmup_s=warmup_s,
            keep_text=True,
            seed=seed,
        )
    rate = load.rate_per_s or 1.0
    return LoadPlan(rate_per_s=rate, duration_s=load.duration_s, warmup_s=warmup_s, keep_text=True, seed=seed)


@asynccontextmanager
async def _opened(item: Prepared, task: Task, load: LoadTest) -> AsyncIterator[tuple[Endpoint, tuple[int, ...]]]:
    """Start a server for a file of ours, or find the one that runs."""
    candidate = item.candidate
    if candidate.runtime in OWN_FILES and item.path is not None:
        settings = for_task(item, task).settings
        async with launched(item.path, dataclasses.replace(settings, concurrency=load.slots)) as server:
            yield server.endpoint, server.pids
    elif candidate.endpoint is not None:
        yield await find_endpoint(candidate.endpoint, model=candidate.model, api_key_env=candidate.api_key_env), ()
    else:
        raise RuntimeFailure(f"{candidate.name} has no endpoint to load; name one with endpoint = 'http://...'")


def _measurement(appraisal: Appraisal, name: str, task: Task) -> Measurement:
    """Return the figures of one appraisal, with what an accepted answer costs where one was accepted."""
    measured = appraisal.result.measurement(name)
    values = dict(measured.values)
    each = appraisal.per_accepted
    if each is not None and values:
        joined = {"usd_per_accepted": each.usd, "s_per_accepted": each.seconds, "j_per_accepted": each.joules}
        values |= {key: value for key, value in joined.items() if value is not None}
    return dataclasses.replace(measured, values=values, task=task.name)
