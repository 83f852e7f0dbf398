"""run_study: from the question to the verdicts, resumable at every answer."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from itertools import groupby

from sizewise.config import study_key
from sizewise.errors import RuntimeFailure
from sizewise.evaluation import Spent, evaluate
from sizewise.machines.detect import detect
from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import (
    Candidate,
    Estimate,
    Evidence,
    Measurement,
    Prediction,
    Skipped,
    Source,
    Study,
    TrialKey,
    Verdict,
)
from sizewise.store.database import Store
from sizewise.study.events import Event, OnEvent, silent
from sizewise.study.preparing import Prepared, facts, prepare
from sizewise.study.residency import Residency
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task
from sizewise.verdict import decide

BATCH = 64
"""Trials asked of the race at a time: enough to fill a server, few enough to lose little on a stop."""


async def run_study(
    study: Study, store: Store, *, on_event: OnEvent = silent, now: Callable[[], float] = time.time
) -> list[Verdict]:
    """Run or continue a study and return one verdict a task.

    Every finished trial is stored before the race hears of it; stored trials are replayed first, so that a stopped
    study goes on where it was and ends with the verdict that an undisturbed one gives.

    Raises:
        ConfigError, DataError: a task cannot be loaded. ModelError never: a model that cannot be read is skipped.
    """
    key = study_key(study)
    tasks = [load_task(ref) for ref in study.tasks]
    store.add_study(key, study, now=now())
    prepared = _prepare(study, key, store, on_event)
    spent = Spent()
    verdicts = []
    async with Residency(prepared=prepared, free_bytes=detect().memory_free_bytes) as residency:
        for task in tasks:
            runner = _TaskRun(study, key, store, task, prepared, residency, spent, on_event)
            await runner.run()
            verdict = runner.verdict()
            store.add_verdict(key, verdict, now=now())
            verdicts.append(verdict)
            on_event(Event(stage="verdict", task=task.name, text=verdict.chosen or str(verdict.outcome), done=verdict.calls))
    _store_peaks(key, store, residency, now())
    return verdicts
