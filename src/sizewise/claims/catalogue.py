"""All ten reality checks in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sizewise.claims import (
    benchmarks,
    context,
    experts,
    mismatch,
    parameters,
    quantization,
    retrieval,
    sizes,
    specialist,
    training,
)
from sizewise.claims.base import Ask, Claim, Judgement, Plan, Subject, task_name
from sizewise.claims.results import Results
from sizewise.errors import ConfigError

CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        (
            module.CLAIM
            for module in (
                sizes,
                training,
                specialist,
                retrieval,
                context,
                quantization,
                mismatch,
                experts,
                benchmarks,
                parameters,
            )
        ),
        key=lambda claim: claim.number,
    )
)


def find_claims(keys: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims named by key or number, all where none is named; raises ConfigError.

    >>> [claim.key for claim in find_claims(["4", "context"])]
    ['retrieval', 'context']
    """
    if not keys:
        return CLAIMS
    names = {name: claim for claim in CLAIMS for name in (claim.key, str(claim.number))}
    unknown = [key for key in keys if key not in names]
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"no claim {unknown[0]!r}; expected 1 to 10 or {', '.join(c.key for c in CLAIMS)}. {hint}".strip()
        )
    wanted = [names[key] for key in keys]
    return tuple(claim for claim in CLAIMS if claim in wanted)


def plans(claims: Sequence[Claim], subjects: Sequence[Subject], samples: int) -> list[Plan]:
    """Return the plan of each claim for the models that are there."""
    return [claim.plan(subjects, samples) for claim in claims]


def all_asks(made: Sequence[Plan], seed: int = 0) -> list[Ask]:
    """Return what all plans ask, each candidate and task once, candidate by candidate, with items of this seed.

    Where two plans ask different numbers of items of a task, the largest counts for all.
    """
    most: dict[str, int] = {}
    for ask in (ask for plan in made for ask in plan.asks):
        name = task_name(ask.task)
        most[name] = max(most.get(name, 0), ask.task.samples or 0)
    unique: dict[tuple[str, str], Ask] = {}
    for plan in made:
        for ask in plan.asks:
            name = task_name(ask.task)
            unique[ask.candidate.name, name] = replace(ask, task=replace(ask.task, samples=most[name], seed=seed))
    order = {name: i for i, name in enumerate(dict.fromkeys(name for name, _ in unique))}
    return sorted(unique.values(), key=lambda ask: order[ask.candidate.name])


def judge_all(claims: Sequence[Claim], subjects: Sequence[Subject], results: Results) -> list[Judgement]:
    """Return the judgement of each claim."""
    return [claim.judge(subjects, results) for claim in claims]
