"""Who can be asked: the shipped family, or the candidates of a stored study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sizewise.claims.base import Subject
from sizewise.errors import ConfigError
from sizewise.ladder import family, recipe
from sizewise.records import Candidate, Estimate, Measurement, Settings, Study

CONTEXT_TOKENS = 1024
"""Room that every model is given: the longest text of the checks is 768 bytes, a token each."""
_SETTINGS = Settings(context_tokens=CONTEXT_TOKENS, max_output_tokens=24, threads=1, chat=False, stop=("\n",))


def ladder_subjects(where: Path | None = None) -> list[Subject]:
    """Return every shipped model as a subject; `where` is another folder with a manifest."""
    return [
        Subject(
            candidate=Candidate(name=model.name, model=str(family.path(model.name, where)), settings=_SETTINGS),
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
        for model in family.models(where)
    ]


def _recipe_skills(member: str) -> tuple[str, ...]:
    """Return the skills a member was trained on alone; empty for all, or for a member without a recipe."""
    try:
        return recipe.find(member).skills
    except ConfigError:
        return ()


def study_subjects(study: Study, measurements: Sequence[Measurement]) -> list[Subject]:
    """Return the candidates of a stored study as subjects, with what the study found out about their sizes.

    Their training is not known, so that claims about training say what they would need.
    """
    facts: dict[str, Mapping[str, Estimate]] = {m.candidate: m.values for m in measurements if m.kind == "facts"}
    return [
        Subject(
            candidate=candidate,
            total=_value(facts.get(candidate.name), "parameters"),
            active=_value(facts.get(candidate.name), "active_parameters"),
            size=candidate.name,
            member=candidate.name,
            quantization=candidate.quantization or "F16",
            context_tokens=candidate.settings.context_tokens,
        )
        for candidate in study.candidates
    ]


def _value(values: Mapping[str, Estimate] | None, name: str) -> float | None:
    return values[name].value if values is not None and name in values else None
