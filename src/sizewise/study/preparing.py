"""Before anything runs: what each candidate is, what it is expected to need, and who is left out with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from sizewise.errors import ModelError
from sizewise.ladder import family
from sizewise.models.reading import read_model
from sizewise.prediction.predict import predict
from sizewise.records import (
    Candidate,
    Estimate,
    Machine,
    Measurement,
    Model,
    Prediction,
    Skipped,
    Source,
    Study,
    Workload,
)
from sizewise.tasks.base import Task
from sizewise.units import format_bytes

OWN_FILES = frozenset({"embedded", "llama-server", "transformers"})
"""Runtimes that load a model file on this machine."""
CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text and common tokenizers (assumed); only shapes the prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A candidate with all that is known of it before it runs."""

    candidate: Candidate
    model: Model | None
    path: Path | None
    outlook: Prediction | Skipped | None
    """None where nothing can be predicted (a server elsewhere) and nothing speaks against asking it."""
    workload: Workload = field(default_factory=Workload)
    """Shape of the requests that the outlook was made for."""

    @property
    def memory_bytes(self) -> float | None:
        """Predicted peak, None where it is not known."""
        return self.outlook.memory_bytes.value if isinstance(self.outlook, Prediction) else None


def prepare(study: Study, tasks: Sequence[Task], machine: Machine) -> list[Prepared]:
    """Return every candidate of a study with its model's facts and prediction; a `Skipped` carries its reason.

    A study that leaves its workload open is predicted for the shape of its own tasks, with answers as long as the
    candidate may give.
    """
    workload = study.workload if study.workload != Workload() else task_workload(tasks)
    prepared = []
    for item in study.candidates:
        own = workload
        if study.workload == Workload() and item.max_output_tokens:
            own = replace(workload, output_tokens=item.max_output_tokens)
        prepared.append(replace(_prepare(item, replace(study, workload=own), machine), workload=own))
    return prepared


def task_workload(tasks: Sequence[Task]) -> Workload:
    """Return the shape of the tasks' requests: the median prompt at four characters a token, the longest answer."""
    lengths = [len(sample.prompt) + len(sample.system or "") for task in tasks for sample in task.samples]
    return Workload(
        prompt_tokens=max(1, round(median(lengths) / CHARACTERS_PER_TOKEN)),
        output_tokens=max(task.max_output_tokens for task in tasks),
    )


def known_model(ref: str) -> Model:
    """Return the facts of a model named by path, catalog name, hub id, or name in the shipped ladder."""
    names = {model.name for model in family.models()}
    return read_model(str(family.path(ref))) if ref in names else read_model(ref)


def _prepare(candidate: Candidate, study: Study, machine: Machine) -> Prepared:
    try:
        model = known_model(candidate.model)
    except ModelError as error:
        if candidate.runtime in OWN_FILES:
            skipped = Skipped(candidate=candidate.name, reason=str(error), stage="read")
            return Prepared(candidate=candidate, model=None, path=None, outlook=skipped)
        return Prepared(candidate=candidate, model=None, path=None, outlook=None)
    path = Path(model.path) if model.path else None
    if candidate.runtime not in OWN_FILES:
        return Prepared(candidate=candidate, model=model, path=None, outlook=None)
    if path is None:
        reason = (
            f"{candidate.model!r} is known from {model.sources.get('name', 'the catalog')}, but no file of it is here; "
            "expected a GGUF path. Download it, or name a server with runtime = 'openai'"
        )
        skipped = Skipped(candidate=candidate.name, reason=reason, stage="read")
        return Prepared(candidate=candidate, model=model, path=None, outlook=skipped)
    outlook = predict(candidate, model, machine, study.workload)
    return Prepared(candidate=candidate, model=model, path=path, outlook=_limited(outlook, study))


def _limited(outlook: Prediction | Skipped, study: Study) -> Prediction | Skipped:
    """Return the outlook, or a skip when even its low end breaks the goal's memory limit."""
    limit = study.goal.max_memory_bytes
    if isinstance(outlook, Skipped) or limit is None or outlook.memory_bytes.low <= limit:
        return outlook
    needs = format_bytes(outlook.memory_bytes.value)
    return Skipped(
        candidate=outlook.candidate,
        reason=f"needs {needs} of memory, the goal allows {format_bytes(limit)}; raise max_memory or leave it out",
        stage="predict",
    )


def facts(prepared: Prepared) -> Measurement | None:
    """Return what the model's files say of its size, as a stored measurement; None when nothing is known."""
    model = prepared.model
    if model is None or model.counts is None:
        return None
    values = {"parameters": model.counts.total, "active_parameters": model.counts.active}
    return Measurement(
        candidate=prepared.candidate.name,
        kind="facts",
        values={
            name: Estimate(value=count, low=count, high=count, source=Source.PUBLISHED, detail="read from the model")
            for name, count in values.items()
        },
    )
