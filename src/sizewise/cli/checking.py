"""Running the reality checks: plan, ask what is not stored yet, judge, print, write the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sizewise.claims.base import Claim, Finding, Judgement, Subject
from sizewise.claims.catalogue import all_asks, judge_all, plans
from sizewise.claims.results import Results
from sizewise.claims.subjects import ladder_subjects, study_subjects, task_names, unknown_facts
from sizewise.cli.check_output import print_judgements
from sizewise.cli.check_page import check_html
from sizewise.cli.output import talk
from sizewise.errors import ModelError
from sizewise.records import Candidate, Estimate, Measurement, Model, Source, Study
from sizewise.store.database import Store, default_path
from sizewise.study.events import Event
from sizewise.study.grid import ask_all

ENGINES = 2
"""Models that answer at the same time, each with one thread."""


def check_ladder(
    claims: Sequence[Claim], samples: int, seed: int, ladder: Path | None, store_path: Path | None, out: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Test the claims on the shipped models; return the exit code."""
    subjects = ladder_subjects(ladder)
    asks = [(ask.candidate, ask.task) for ask in all_asks(plans(claims, subjects, samples), seed)]
    began = time.monotonic()
    with Store(store_path or default_path()) as store, store.writing():
        try:
            with _Progress() as progress:
                key = asyncio.run(ask_all("Reality checks", asks, store, lanes=ENGINES, on_event=progress.tell))
        except KeyboardInterrupt:
            talk().print("\nStopped. What was answered is stored; run the same command to go on.")
            return 130
        for subject in subjects:
            store.add_measurement(key, _facts(subject))
        return _judge(claims, subjects, store, key, out, as_json, time.monotonic() - began)


def check_study(
    claims: Sequence[Claim], key: str, said: Mapping[str, Mapping[str, str]], store_path: Path | None, out: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Judge the claims on a stored study's answers; return the exit code."""
    with Store(store_path or default_path()) as store:
        study = store.study(key)
        models = {c.name: model for c in study.candidates if (model := _known(c)) is not None}
        subjects = study_subjects(study, store.measurements(key), models, said)
        return _judge(claims, subjects, store, key, out, as_json, 0.0, on_study=True)


def _known(candidate: Candidate) -> Model | None:
    """Return what the model's file on this machine or the catalog says; nothing is asked of the network."""
    from sizewise.models import catalog
    from sizewise.study.preparing import known_model

    try:
        if Path(candidate.model).exists():
            return known_model(candidate.model)
    except (ModelError, OSError):
        return None
    row = catalog.find(candidate.model)
    return catalog.model(row) if row is not None else None


def _facts(subject: Subject) -> Measurement:
    known = {"parameters": subject.total, "active_parameters": subject.active, "training_tokens": subject.tokens}
    known["file_bytes"] = subject.file_bytes
    return Measurement(
        candidate=subject.name,
        kind="facts",
        values={
            name: Estimate(value=value, low=value, high=value, source=Source.PUBLISHED, detail="the family's manifest")
            for name, value in known.items()
            if value is not None
        },
    )


class _Progress:
    """One line on stderr: answers so far, of how many, from whom."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("answers"), BarColumn(bar_width=28), MofNCompleteColumn(),
            TextColumn("{task.fields[who]}", style="dim"), TimeElapsedColumn(), console=talk(),
        )  # fmt: skip
        self._line = self._bar.add_task("answers", total=None, who="")

    def __enter__(self) -> _Progress:
        """Show the line."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the line as it is."""
        self._bar.stop()

    def tell(self, event: Event) -> None:
        """Show an answer, or say what happened."""
        if event.stage == "asked":
            self._bar.update(self._line, completed=event.done, total=event.planned, who=event.candidate)
        elif event.stage == "note":
            talk().print(event.text)


def _judge(
    claims: Sequence[Claim], subjects: Sequence[Subject], store: Store, key: str, out: Path, as_json: bool,
    took_s: float, *, on_study: bool = False,
) -> int:  # fmt: skip
    study = store.study(key)
    names = task_names(study)
    trials = [replace(trial, task=names.get(trial.task, trial.task)) for trial in store.trials(key)]
    judgements = judge_all(claims, subjects, Results(trials))
    if on_study:
        judgements = [_wanting(*both, subjects, study, key) for both in zip(claims, judgements, strict=True)]
    for judgement in judgements:
        if judgement.estimate is not None:
            store.add_measurement(key, _as_measurement(judgement))
    out.write_text(check_html(claims, judgements, key, took_s), encoding="utf-8")
    print_judgements(claims, judgements, key=key, page=out, took_s=took_s, as_json=as_json)
    return 3 if any(j.finding is Finding.NOT_MEASURED for j in judgements) else 0


def _wanting(claim: Claim, judgement: Judgement, subjects: Sequence[Subject], study: Study, key: str) -> Judgement:
    """Return a judgement that could not be made with what the study lacks for it, and how to say it."""
    if judgement.finding is not Finding.NOT_MEASURED:
        return judgement
    silent = unknown_facts(subjects, claim.facts)
    words = f"{judgement.words}. This study does not know: {silent}" if silent else judgement.words
    if not silent:
        words += f". This study has {len(study.candidates)} candidates and {len(study.tasks)} tasks, and none fits"
    named = [fact for fact in claim.facts if silent and fact in silent] or [f for f in claim.facts if f == "kind"]
    step = f"sizewise check --on {key} --fact {study.candidates[0].name}:{named[0]}=..." if named else ""
    return replace(judgement, words=words, next_step=step or "sizewise check   (the same claim on the shipped models)")


def _as_measurement(judgement: Judgement) -> Measurement:
    values = {} if judgement.estimate is None else {judgement.unit: judgement.estimate}
    return Measurement(
        candidate=f"claim {judgement.claim}", kind="claim", values=values, taken_at=time.time(),
        detail=f"{judgement.finding}: {judgement.words}",
    )  # fmt: skip
