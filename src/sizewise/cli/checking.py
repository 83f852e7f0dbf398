"""Running the reality checks: plan, ask what is not stored yet, judge, print, write the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from sizewise.claims.base import Ask, Claim, Finding, Judgement, Subject, task_name
from sizewise.claims.catalogue import all_asks, judge_all, plans
from sizewise.claims.results import Results
from sizewise.claims.subjects import ladder_subjects, study_subjects
from sizewise.cli.check_output import print_judgements
from sizewise.cli.check_page import check_html
from sizewise.cli.output import talk
from sizewise.config import study_key
from sizewise.errors import RuntimeFailure
from sizewise.evaluation.running import Arm, evaluate, plain_request
from sizewise.records import Candidate, Estimate, Measurement, Request, Sample, Source, Study, Trial
from sizewise.runtimes.opening import open_runtime
from sizewise.store.database import Store, default_path
from sizewise.tasks.arms import apply_arms
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task

ENGINES = 2
"""Models that answer at the same time, each with one thread."""
OnDone = Callable[[int, int, str], None]


def check_ladder(
    claims: Sequence[Claim], samples: int, ladder: Path | None, store_path: Path | None, out: Path, as_json: bool
) -> int:
    """Test the claims on the shipped models; return the exit code."""
    subjects = ladder_subjects(ladder)
    asks = all_asks(plans(claims, subjects, samples))
    study = _study(subjects, asks)
    key = study_key(study)
    began = time.monotonic()
    with Store(store_path or default_path()) as store, store.writing():
        store.add_study(key, study)
        for subject in subjects:
            store.add_measurement(key, _facts(subject))
        try:
            asyncio.run(_ask_all(key, asks, store))
        except KeyboardInterrupt:
            talk().print("\nStopped. What was answered is stored; run the same command to go on.")
            return 130
        return _judge(claims, subjects, store, key, out, as_json, time.monotonic() - began)


def check_study(claims: Sequence[Claim], key: str, store_path: Path | None, out: Path, as_json: bool) -> int:
    """Judge the claims on a stored study's answers; return the exit code."""
    with Store(store_path or default_path()) as store:
        study = store.study(key)
        subjects = study_subjects(study, store.measurements(key))
        return _judge(claims, subjects, store, key, out, as_json, 0.0)


def _study(subjects: Sequence[Subject], asks: Sequence[Ask]) -> Study:
    """Return the checks as a study, so that their answers are stored and shown like any other's."""
    tasks = {task_name(ask.task): ask.task for ask in asks}
    candidates = {
        candidate.name: candidate for candidate in (*(s.candidate for s in subjects), *(a.candidate for a in asks))
    }
    return Study(name="Reality checks", tasks=tuple(tasks.values()), candidates=tuple(candidates.values()))


def _facts(subject: Subject) -> Measurement:
    known = {"parameters": subject.total, "active_parameters": subject.active, "training_tokens": subject.tokens}
    return Measurement(
        candidate=subject.name,
        kind="facts",
        values={
            name: Estimate(value=value, low=value, high=value, source=Source.PUBLISHED, detail="the family's manifest")
            for name, value in known.items()
            if value is not None
        },
    )


async def _ask_all(key: str, asks: Sequence[Ask], store: Store) -> None:
    """Ask everything that is not stored, a few models at a time."""
    tasks = {task_name(ask.task): replace(load_task(ask.task), name=task_name(ask.task)) for ask in asks}
    stored = {name: {(k.candidate, k.sample) for k, _ in store.outcomes(key, name)} for name in tasks}
    work = []
    for _, group in groupby(asks, key=lambda ask: ask.candidate.name):
        members = list(group)
        left = [
            (tasks[name], missing)
            for ask in members
            for name in [task_name(ask.task)]
            if (missing := [s for s in tasks[name].samples if (ask.candidate.name, s.id) not in stored[name]])
        ]
        if left:
            work.append((members[0].candidate, left))
    if not work:
        return
    total = sum(len(samples) for _, left in work for _, samples in left)
    with _Progress(total) as progress:
        gate = asyncio.Semaphore(ENGINES)

        async def one(candidate: Candidate, left: list[tuple[Task, list[Sample]]]) -> None:
            async with gate:
                await _ask_candidate(key, candidate, left, store, progress)

        await asyncio.gather(*(one(candidate, left) for candidate, left in work))


async def _ask_candidate(
    key: str, candidate: Candidate, left: list[tuple[Task, list[Sample]]], store: Store, progress: _Progress
) -> None:
    runtime = open_runtime(candidate)
    try:
        info = await runtime.start()
        for task, samples in left:
            arm = Arm(candidate, runtime, info, task, prepare=_with_passages)
            trials: list[Trial] = [trial async for trial in evaluate(arm, [(sample, 0) for sample in samples])]
            by_id = {sample.id: sample for sample in samples}
            store.add_trials(key, trials, [(t.prompt_hash, apply_arms(by_id[t.key.sample], candidate)) for t in trials])
            progress.add(len(samples), candidate.name)
    except RuntimeFailure as failure:
        talk().print(f"{candidate.name} is left out: {failure}")
    finally:
        await runtime.close()


def _with_passages(sample: Sample, candidate: Candidate) -> Request:
    return plain_request(apply_arms(sample, candidate), candidate)


class _Progress:
    """One line on stderr: answers so far, of how many, from whom."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("answers"), BarColumn(bar_width=28), MofNCompleteColumn(),
            TextColumn("{task.fields[who]}", style="dim"), TimeElapsedColumn(), console=talk(),
        )  # fmt: skip
        self._line = self._bar.add_task("answers", total=total, who="")

    def __enter__(self) -> _Progress:
        """Show the line."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the line as it is."""
        self._bar.stop()

    def add(self, count: int, who: str) -> None:
        """Count answers."""
        self._bar.update(self._line, advance=count, who=who)


def _judge(
    claims: Sequence[Claim],
    subjects: Sequence[Subject],
    store: Store,
    key: str,
    out: Path,
    as_json: bool,
    took_s: float,
) -> int:
    judgements = judge_all(claims, subjects, Results(store.trials(key)))
    for judgement in judgements:
        if judgement.estimate is not None:
            store.add_measurement(key, _as_measurement(judgement))
    out.write_text(check_html(claims, judgements, key, took_s), encoding="utf-8")
    print_judgements(claims, judgements, key=key, page=out, took_s=took_s, as_json=as_json)
    return 3 if any(j.finding is Finding.NOT_MEASURED for j in judgements) else 0


def _as_measurement(judgement: Judgement) -> Measurement:
    values = {} if judgement.estimate is None else {judgement.unit: judgement.estimate}
    return Measurement(
        candidate=f"claim {judgement.claim}", kind="claim", values=values, taken_at=time.time(),
        detail=f"{judgement.finding}: {judgement.words}",
    )  # fmt: skip
