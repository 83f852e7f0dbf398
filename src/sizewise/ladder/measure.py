"""Greedy answers of a torch model, its scores on held-out samples, and its held-out loss."""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed, and torch leaves parts of itself untyped)

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from sizewise.ladder.batches import batches, block
from sizewise.ladder.network import Llama
from sizewise.ladder.recipe import NEWLINE, Recipe
from sizewise.records import Sample
from sizewise.tasks import skills

HELD_OUT_SEED = 777
"""Seed of the samples behind the scores in the manifest; task packs use other seeds."""


@torch.inference_mode()
def answers(model: Llama, prompts: Sequence[str], limit: int = skills.MAX_ANSWER_TOKENS) -> list[str]:
    """Return the greedy answer to each prompt, without the newline that ends it, at most `limit` bytes."""
    found = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        for index, text in zip(part, _answers(model, [prompts[i].encode() for i in part], limit), strict=True):
            found[index] = text
    return found


def _answers(model: Llama, prompts: list[bytes], limit: int) -> list[str]:
    texts = [bytearray(prompt) for prompt in prompts]
    open_rows = list(range(len(texts)))
    for _ in range(limit):
        rows = [bytes(texts[i]) for i in open_rows]
        tokens = torch.from_numpy(block([(row, 0) for row in rows], max(map(len, rows))).tokens.astype("int64"))
        ends = torch.tensor([len(row) - 1 for row in rows])
        hidden = model.hidden(tokens)[torch.arange(len(rows)), ends]
        chosen = model.logits(hidden.half().float()).argmax(dim=-1).tolist()
        for index, token in zip(open_rows, chosen, strict=True):
            texts[index].append(token)
        open_rows = [i for i, token in zip(open_rows, chosen, strict=True) if token != NEWLINE]
        if not open_rows:
            break
    found = [bytes(text[len(prompt) :]) for text, prompt in zip(texts, prompts, strict=True)]
    return [answer.removesuffix(b"\n").decode("utf-8", errors="replace") for answer in found]


def is_right(sample: Sample, answer: str) -> bool:
    """Return whether an answer is right: as text, or as a JSON value where the sample says so."""
    if sample.attributes["scorer"] == "exact":
        return answer.strip() == sample.target
    try:
        return bool(json.loads(answer) == sample.target)
    except ValueError:
        return False


def scores(model: Llama, samples: int = 100, names: Sequence[str] | None = None) -> dict[str, float]:
    """Return skill -> share of right answers on held-out samples of levels 1 to 3."""
    found = {}
    for name in names or skills.names():
        items = skills.load(name, HELD_OUT_SEED, samples)
        given = answers(model, [item.prompt for item in items])
        right = sum(is_right(item, answer) for item, answer in zip(items, given, strict=True))
        found[name] = round(right / len(items), 4)
    return found


@torch.inference_mode()
def loss(model: Llama, recipe: Recipe, tokens: int = 60_000, seed: int = HELD_OUT_SEED) -> float:
    """Return the mean cross-entropy in nats per answer byte on held-out items of the recipe's mix."""
    total = count = seen = 0.0
    for blocks, size, answer_bytes in batches(recipe, seed, test=True):
        for part in blocks:
            data = torch.from_numpy(part.tokens.astype("int64"))
            mask = torch.from_numpy(part.answers[:, 1:])
            hidden = model.hidden(data[:, :-1])[mask]
            total += float(F.cross_entropy(model.logits(hidden), data[:, 1:][mask], reduction="sum"))
        count += answer_bytes
        seen += size
        if seen >= tokens:
            return total / count
    raise AssertionError("the stream of batches does not end")
