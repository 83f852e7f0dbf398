"""Embedding similarity: cosine between the answer and the target. Needs the extra `sizewise[transformers]`.

A number that reads like truth and is not: two sentences that contradict each other are often near. Use it where
nothing better can be checked, and look at the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.scorers.plain import accepted

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts in, one vector each out."""


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, 0 when one has no length.

    >>> cosine([1.0, 0.0], [1.0, 1.0])
    0.7071067811865475
    """
    norm = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / norm if norm else 0.0


def transformers_embed(model: str) -> Embed:
    """Return an embedder: mean of the last hidden states of a transformers encoder (a local folder or a hub name).

    Raises `ConfigError` when the extra is not installed or the model cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise ConfigError(
            "embedding similarity needs torch and transformers, which are not installed; "
            "run: pip install 'sizewise[transformers]'"
        ) from None
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
        network: Any = AutoModel.from_pretrained(model).eval()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load the embedding model {model!r}: {str(error).splitlines()[0]}") from error

    def embed(texts: Sequence[str]) -> list[list[float]]:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = network(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        return ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)).tolist()  # type: ignore[no-any-return]

    return embed


def similarity(model: str | None = None, threshold: float | None = None, embed: Embed | None = None) -> Scorer:
    """Return a scorer: the largest cosine with a right answer, or with `threshold` whether it reaches that.

    `embed` may be any function from texts to vectors; else `model` names a transformers encoder.

    >>> from sizewise.tasks.scorers.answers import completion
    >>> letters = lambda texts: [[text.count(c) for c in "abc"] for text in texts]
    >>> similarity(embed=letters)(Sample(id="1", prompt="", target="abc"), completion("cab")).value
    1.0
    """
    if embed is None:
        if not model:
            raise ConfigError("the scorer 'similarity' needs the option `model`: a folder or name of an encoder")
        embed = transformers_embed(model)
    vectors = embed

    def score(sample: Sample, answer: Completion) -> Score:
        if not answer.text.strip():
            return judged(sample, answer, value=0.0, valid=False)
        first, *rest = vectors([answer.text, *accepted(sample.target)])
        near = min(1.0, max(0.0, *(cosine(first, other) for other in rest)))
        near = 1.0 if near > 1 - 1e-9 else near
        value = near if threshold is None else float(near >= threshold)
        return judged(sample, answer, value=value, explanation=f"cosine {near:.3f}")

    return score
