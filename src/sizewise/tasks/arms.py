"""A candidate's arms applied to a sample: which passages it sees, how the prompt is put. Pure.

The samples of a study stay the same for all candidates; only what is asked differs, so comparisons stay paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from random import Random

from sizewise.errors import ConfigError
from sizewise.records import Candidate, Sample
from sizewise.tasks.retrieval import Retriever, bm25, embedding_retriever
from sizewise.tasks.variants import apply_variant

RETRIEVAL = ("none", "given", "distractors", "bm25", "embedding")
"""none: closed-book; given: the right passages; distractors: those among others; bm25, embedding: what they find.

A study writes "embedding:MODEL", a folder or hub name of a transformers encoder.
"""
SHOWN = 4
"""Passages shown with distractors or by a retriever (more where the right ones alone are more)."""


def apply_arms(sample: Sample, candidate: Candidate, retriever: Retriever | None = None) -> Sample:
    """Return the sample as this candidate is asked: prompt variant first, then passages in front of the prompt.

    A sample without passages is asked as it is. The order of passages depends on the sample's id alone. The arm
    "embedding" needs `retriever`: `open_retriever(candidate)`, or any other. Raises `ConfigError` for an unknown arm.

    >>> sample = Sample(id="1", prompt="Who?", passages=("Ann did.", "Bo slept."), gold_passages=1)
    >>> print(apply_arms(sample, Candidate(name="a", model="m", retrieval="given")).prompt)
    Use this text:
    Ann did.
    <BLANKLINE>
    Who?
    """
    arm, _ = _arm(candidate)
    if arm == "embedding" and retriever is None:
        raise ConfigError(
            f"candidate {candidate.name!r}: retrieval 'embedding' needs an embedding model; expected a retriever. "
            "Use 'bm25', or 'embedding:MODEL' with a folder or hub name of a transformers encoder."
        )
    asked = apply_variant(sample, candidate.prompt_variant)
    if arm == "none" or not sample.passages:
        return asked
    shown = _shown(sample, arm, retriever)
    bare = sample.attributes.get("level") == 0 or sample.attributes.get("skill") is not None
    texts = [sample.passages[index] for index in shown]
    prompt = (
        "\n".join([*texts, asked.prompt]) if bare else "\n".join(["Use this text:", *texts]) + f"\n\n{asked.prompt}"
    )
    found = sum(index < sample.gold_passages for index in shown)
    attributes = {**sample.attributes, "shown_passages": shown, "gold_found": found}
    return replace(asked, prompt=prompt, attributes=attributes)


def open_retriever(candidate: Candidate) -> Retriever | None:
    """Return the retriever of an "embedding:MODEL" arm, its model loaded once a process; None for the other arms.

    Raises `ConfigError` where the model is not named, cannot be loaded, or the extra `transformers` is missing.

    >>> open_retriever(Candidate(name="a", model="m", retrieval="bm25")) is None
    True
    """
    arm, model = _arm(candidate)
    if arm != "embedding":
        return None
    if not model:
        raise ConfigError(
            f"candidate {candidate.name!r}: retrieval = 'embedding' names no model; expected 'embedding:MODEL' with a "
            "folder or hub name of a transformers encoder. 'bm25' needs none."
        )
    return _embedding(model)


@cache
def _embedding(model: str) -> Retriever:
    from sizewise.tasks.scorers.similarity import transformers_embed

    return embedding_retriever(transformers_embed(model))


def _arm(candidate: Candidate) -> tuple[str, str]:
    """Return the arm and its model, which only "embedding" has."""
    arm, _, model = candidate.retrieval.partition(":")
    if arm not in RETRIEVAL or (model and arm != "embedding"):
        near = get_close_matches(arm, RETRIEVAL, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(RETRIEVAL)}."
        raise ConfigError(f"candidate {candidate.name!r}: no retrieval {candidate.retrieval!r}. {hint}")
    return arm, model


def _shown(sample: Sample, retrieval: str, retriever: Retriever | None) -> tuple[int, ...]:
    """Return the indices of the passages shown, in the order shown."""
    gold = list(range(sample.gold_passages))
    if retrieval == "given":
        return tuple(gold)
    rng = Random(f"passages/{sample.id}")
    if retrieval == "distractors":
        others = list(range(sample.gold_passages, len(sample.passages)))
        wanted = max(SHOWN - len(gold), 2)
        picked = [*gold, *rng.sample(others, min(wanted, len(others)))]
        return tuple(rng.sample(picked, len(picked)))
    order = list(range(len(sample.passages)))
    rng.shuffle(order)
    find = bm25 if retrieval == "bm25" or retriever is None else retriever
    query = str(sample.attributes.get("query") or _question(sample))
    hits = find(query, [sample.passages[index] for index in order], max(SHOWN, len(gold) + 2))
    return tuple(order[hit] for hit in hits)


def _question(sample: Sample) -> str:
    """Return what to search for: the first sentence of the instruction, without the rules on the form."""
    text = str(sample.attributes.get("instruction") or sample.prompt)
    return text.split("?")[0] + "?" if "?" in text else text


def arms_of(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    """Return the different (retrieval, prompt variant) pairs among candidates, in order.

    >>> arms_of([Candidate(name="a", model="m"), Candidate(name="b", model="m", retrieval="bm25")])
    [('none', 'plain'), ('bm25', 'plain')]
    """
    return list(dict.fromkeys((candidate.retrieval, candidate.prompt_variant) for candidate in candidates))
