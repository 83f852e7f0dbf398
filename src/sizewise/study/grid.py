"""Whole grids of answers: every candidate asked all of its tasks, no race. For questions that need every answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass

from sizewise.config import study_key
from sizewise.evaluation.spending import Spending
from sizewise.machines.detect import detect
from sizewise.machines.stored import with_calibration
from sizewise.records import Budget, Candidate, Machine, Skipped, Study, TaskRef, TrialKey
from sizewise.store.database import Store
from sizewise.study.asking import Asker, ask_failures_again
from sizewise.study.events import Event, OnEvent, silent
from sizewise.study.preparing import Prepared, prepare
from sizewise.study.recipe import load_tasks, store_outset
from sizewise.study.residency import Residency
from sizewise.tasks.base import Task

Asks = Sequence[tuple[Candidate, TaskRef]]
Now = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """What the lanes of one grid share."""

    key: str
    store: Store
    prepared: Sequence[Prepared]
    machine: Machine
    wanted: Mapping[str, Sequence[Task]]
    """Candidate -> its tasks."""
    stored: set[tuple[str, TrialKey]]
    """(task, trial) pairs that need no answer."""
    planned: int
    on_event: OnEvent
    now: Now


async def ask_all(
    name: str, asks: Asks, store: Store, *, seed: int = 0, lanes: int = 1, on_event: OnEvent = silent,
    now: Now = time.time,
) -> str:  # fmt: skip
    """Ask every candidate every item of the task beside it, and return the key of the study that holds the trials.

    Candidate by candidate, so that each model is loaded once; `lanes` models answer at the same time, which is for
    small ones with a thread each. Pairs that are stored already are not asked again, so that a stopped grid goes on;
    a candidate that cannot be had is stored as skipped, with its reason.
    """
    study = grid_study(name, asks, seed)
    key = study_key(study)
    tasks = load_tasks(study.tasks)
    machine = with_calibration(detect())
    prepared = prepare(study, tasks, machine)
    store_outset(key, study, prepared, store, now())
    ask_failures_again(store, key, tasks)
    by_ref = {repr(astuple(ref)): task for ref, task in zip(study.tasks, tasks, strict=True)}
    wanted: dict[str, list[Task]] = {}
    for candidate, ref in asks:
        wanted.setdefault(candidate.name, []).append(by_ref[repr(astuple(ref))])
    stored = {(task.name, trial_key) for task in tasks for trial_key, _ in store.outcomes(key, task.name)}
    planned = sum(len(task.samples) for own in wanted.values() for task in own)
    grid = _Grid(
        key=key, store=store, prepared=prepared, machine=machine, wanted=wanted, stored=stored, planned=planned,
        on_event=on_event, now=now,
    )  # fmt: skip
    waiting = [item.candidate.name for item in prepared if not isinstance(item.outlook, Skipped)]
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, lanes)):
            group.create_task(_lane(grid, waiting))
    return key


def grid_study(name: str, asks: Asks, seed: int = 0) -> Study:
    """Return the study that holds a grid's trials: each candidate and each task once, in order of appearance."""
    candidates = {candidate.name: candidate for candidate, _ in asks}
    refs = {repr(astuple(ref)): ref for _, ref in asks}
    return Study(name=name, tasks=tuple(refs.values()), candidates=tuple(candidates.values()), seed=seed)


async def _lane(grid: _Grid, waiting: list[str]) -> None:
    """Take the next candidate until none waits; one engine of a lane at a time."""
    async with Residency(prepared=grid.prepared, machine=grid.machine, on_event=grid.on_event) as residency:
        while waiting:
            await _ask_candidate(grid, waiting.pop(0), residency)
            await residency.unload_all()
    for measurement in residency.measurements(grid.now()):
        grid.store.add_measurement(grid.key, measurement)


async def _ask_candidate(grid: _Grid, name: str, residency: Residency) -> None:
    for task in grid.wanted[name]:
        keys = [TrialKey(candidate=name, sample=sample.id) for sample in task.samples]
        missing = [trial_key for trial_key in keys if (task.name, trial_key) not in grid.stored]
        if not missing:
            continue
        asker = Asker(
            key=grid.key, task=task, prepared=grid.prepared, store=grid.store, residency=residency,
            spending=Spending(Budget()),
        )  # fmt: skip
        async for trial in asker.ask(name, missing):
            grid.stored.add((task.name, trial.key))
            done = len(grid.stored)
            grid.on_event(Event(stage="asked", task=task.name, candidate=name, done=done, planned=grid.planned))
        if asker.gone is not None:
            grid.store.add_outlook(grid.key, asker.gone)
            grid.on_event(Event(stage="note", task=task.name, text=f"{name} is left out: {asker.gone.reason}"))
            return
