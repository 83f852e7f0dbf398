"""Who can be asked: the shipped family, or the candidates of a stored study with what is known of their models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sizewise.claims.base import FULL, Subject, task_name
from sizewise.data.scaling import find_training
from sizewise.errors import ConfigError, UnknownFact
from sizewise.ladder import family, recipe
from sizewise.records import Candidate, Measurement, Model, Settings, Study
from sizewise.units import parse_count

CONTEXT_TOKENS = 1024
"""Room that every model is given: the longest text of the checks is 768 bytes, a token each."""
_SETTINGS = Settings(context_tokens=CONTEXT_TOKENS, max_output_tokens=24, threads=1, chat=False, stop=("\n",))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


FACTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "total": ("total", parse_count),
    "active": ("active", parse_count),
    "tokens": ("tokens", parse_count),
    "kind": ("kind", str),
    "skills": ("skills", _words),
    "context": ("context_tokens", lambda text: int(parse_count(text))),
    "bytes": ("file_bytes", lambda text: int(parse_count(text))),
    "quantization": ("quantization", str),
    "size": ("size", str),
}
"""Name of a fact that a person can give -> field of a subject, how it is read."""
KINDS = (
    "base", "seed", "undertrained", "overtrained", "distilled", "specialist", "experts", "dense twin", "pruned",
    "context", "wide",
)  # fmt: skip


def ladder_subjects(where: Path | None = None) -> list[Subject]:
    """Return every shipped model as a subject; `where` is another folder with a manifest."""
    return [
        _ladder_subject(model, Candidate(name=model.name, model=_reference(model.name, where), settings=_SETTINGS))
        for model in family.models(where)
    ]


def _reference(name: str, where: Path | None) -> str:
    """Return what a study calls a model: the shipped ones by name, so that a stored study is not of one machine."""
    return name if where is None else str(family.path(name, where))


def _ladder_subject(model: family.LadderModel, candidate: Candidate) -> Subject:
    return Subject(
        candidate=candidate,
        total=float(model.parameters),
        active=float(model.active_parameters),
        tokens=float(model.training_tokens),
        kind=model.kind,
        size=model.size,
        member=model.member,
        quantization=model.quantization,
        context_tokens=model.context_tokens,
        file_bytes=model.bytes,
        skills=_recipe_skills(model.member),
        loss=model.loss,
    )


def _recipe_skills(member: str) -> tuple[str, ...]:
    """Return the skills a member was trained on alone; empty for all, or for a member without a recipe."""
    try:
        return recipe.find(member).skills
    except ConfigError:
        return ()


def study_subjects(
    study: Study, measurements: Sequence[Measurement], models: Mapping[str, Model] | None = None,
    said: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Subject]:  # fmt: skip
    """Return the candidates of a stored study as subjects, with all that is known of their models.

    Facts come, the first that has one, from `said` (candidate -> fact -> text, as a person gave them), the study's
    stored facts, the model's file or the catalog (`models`), and the table of public trainings. A candidate that
    runs a shipped model has the shipped facts. Of several files of one model the largest counts as unquantized.
    Raises ConfigError for a fact or candidate that is not known.
    """
    stored: dict[str, dict[str, float]] = {}
    for row in measurements:
        if row.kind == "facts":
            stored.setdefault(row.candidate, {}).update({name: found.value for name, found in row.values.items()})
    shipped = {model.name: model for model in family.models()}
    found = [
        _ladder_subject(shipped[candidate.model], candidate)
        if candidate.model in shipped
        else _study_subject(candidate, stored.get(candidate.name, {}), (models or {}).get(candidate.name))
        for candidate in study.candidates
    ]
    given = said or {}
    for name in given:
        _require(name, [subject.name for subject in found], "candidate")
    return _largest_is_full([_with_said(subject, given.get(subject.name, {})) for subject in found], shipped)


def _study_subject(candidate: Candidate, stored: Mapping[str, float], model: Model | None) -> Subject:
    counts = model.counts if model is not None else None
    total = stored.get("parameters") or (float(counts.total) if counts else None)
    active = stored.get("active_parameters") or (float(counts.active) if counts else total)
    context = model.context_tokens if model is not None else None
    label = model.name if model is not None else candidate.name
    return Subject(
        candidate=candidate,
        total=total,
        active=active,
        tokens=stored.get("training_tokens") or _tokens(candidate, model),
        kind="experts" if total and active and active < 0.9 * total else "base",
        size=label,
        member=label,
        quantization=candidate.quantization or (model.quantization if model is not None else None) or FULL,
        context_tokens=context or candidate.settings.context_tokens,
        file_bytes=int(stored["file_bytes"]) if "file_bytes" in stored else model.file_bytes if model else None,
    )


def _tokens(candidate: Candidate, model: Model | None) -> float | None:
    """Return the published training tokens of a public model, None where nothing is published."""
    if model is not None and model.training_tokens:
        return model.training_tokens
    for name in (candidate.model, model.name if model is not None else ""):
        try:
            return find_training(name).tokens
        except UnknownFact:
            continue
    return None


def _with_said(subject: Subject, said: Mapping[str, str]) -> Subject:
    fields: dict[str, Any] = {}
    for fact, text in said.items():
        _require(fact, list(FACTS), "fact")
        name, read = FACTS[fact]
        fields[name] = read(text)
    if "kind" in fields:
        _require(fields["kind"], list(KINDS), "kind")
    return replace(subject, **fields)


def _largest_is_full(subjects: Sequence[Subject], shipped: Mapping[str, object]) -> list[Subject]:
    """Return the subjects with the largest file of each model marked as unquantized; others keep their format.

    Two candidates with one file (other prompts or settings) get sizes of their own: they are not seeds of a recipe.
    """
    found = []
    for subject in subjects:
        if subject.candidate.model in shipped:
            found.append(subject)
            continue
        files = [s for s in subjects if s.size == subject.size and s.candidate.retrieval == "none"]
        largest = max((s.file_bytes or 0 for s in files), default=0)
        full = (subject.file_bytes or 0) >= largest
        twins = [s for s in files if s.candidate.model == subject.candidate.model]
        size = subject.name if full and len(twins) > 1 and subject.candidate.retrieval == "none" else subject.size
        found.append(replace(subject, quantization=FULL if full else subject.quantization, size=size))
    return found


def _require(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        raise ConfigError(f"no {what} {name!r} in --fact NAME:FACT=VALUE. {hint}")


def unknown_facts(subjects: Sequence[Subject], facts: Sequence[str]) -> str:
    """Return which facts of which candidates are not known, in words; empty when all are.

    >>> unknown_facts([Subject(candidate=Candidate(name="a", model="a"), total=1e9)], ["total", "tokens"])
    'tokens of a'
    """
    silent = {
        fact: [s.name for s in subjects if not getattr(s, FACTS[fact][0])]
        for fact in facts
        if fact not in ("kind", "skills")
    }
    return "; ".join(f"{fact} of {', '.join(names)}" for fact, names in silent.items() if names)


def task_names(study: Study) -> dict[str, str]:
    """Return stored task name -> the name that claims use: skills at a level carry it, seeds are left out."""
    bases = [f"skill:{ref.ref.removeprefix('skill:')}" for ref in study.tasks]
    count = Counter(bases)
    return {
        (f"{base} level {ref.level} seed {ref.seed}" if count[base] > 1 else base): task_name(replace(ref, ref=base))
        for base, ref in zip(bases, study.tasks, strict=True)
    }
