"""run_study: from the question to the verdicts, resumable at every answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from sizewise.config import study_key
from sizewise.evaluation.spending import Spending
from sizewise.machines.detect import detect
from sizewise.records import Prediction, Skipped, Study, Verdict
from sizewise.store.database import Store
from sizewise.study.events import Event, OnEvent, silent
from sizewise.study.preparing import Prepared, facts, prepare
from sizewise.study.racing import TaskRace
from sizewise.study.residency import Residency
from sizewise.tasks.loading import load_task
from sizewise.units import format_bytes


async def run_study(
    study: Study, store: Store, *, on_event: OnEvent = silent, now: Callable[[], float] = time.time
) -> list[Verdict]:
    """Run or continue a study and return one verdict a task.

    Every finished trial is stored before the race hears of it; stored trials are replayed first, so that a stopped
    study goes on where it was and ends with the verdict that an undisturbed one gives. A model that cannot be read
    or does not fit is skipped with its reason. Raises ConfigError or DataError when a task cannot be loaded.
    """
    key = study_key(study)
    tasks = [load_task(ref) for ref in study.tasks]
    machine = detect()
    prepared = prepare(study, tasks, machine)
    _store_outset(key, study, prepared, store, now())
    _tell_outset(prepared, on_event)
    verdicts = []
    spending = Spending(study.budget)
    free_bytes = float(machine.memory_free_bytes or 0)
    async with Residency(prepared={item.candidate.name: item for item in prepared}, free_bytes=free_bytes) as residency:
        for task in tasks:
            race = TaskRace(
                study=study, key=key, task=task, prepared=prepared, store=store, residency=residency, spending=spending
            )
            await race.run(on_event)
            verdict = race.verdict()
            store.add_verdict(key, verdict, now=now())
            verdicts.append(verdict)
            text = verdict.chosen or str(verdict.outcome)
            on_event(Event(stage="verdict", task=task.name, text=text, done=verdict.calls))
    for measurement in residency.measurements(now()):
        store.add_measurement(key, measurement)
    return verdicts


def _store_outset(key: str, study: Study, prepared: list[Prepared], store: Store, now: float) -> None:
    store.add_study(key, study, now=now)
    for item in prepared:
        if item.outlook is not None:
            store.add_outlook(key, item.outlook)
        measurement = facts(item)
        if measurement is not None:
            store.add_measurement(key, measurement)


def _tell_outset(prepared: list[Prepared], on_event: OnEvent) -> None:
    for item in prepared:
        outlook = item.outlook
        if isinstance(outlook, Skipped):
            on_event(Event(stage="prepare", text=f"{outlook.candidate} is left out: {outlook.reason}"))
        elif isinstance(outlook, Prediction):
            memory = format_bytes(outlook.memory_bytes.value)
            on_event(Event(stage="prepare", text=f"{outlook.candidate}: {memory} predicted, fits"))
