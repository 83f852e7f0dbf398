"""Training one member: draws, Muon, warm-up, a flat stretch, a linear fall to zero; checkpoints on the way."""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed, and torch leaves parts of itself untyped)

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sizewise.errors import ConfigError
from sizewise.ladder.batches import Block, batches
from sizewise.ladder.muon import optimizers
from sizewise.ladder.network import Experts, Llama
from sizewise.ladder.recipe import Recipe

WARM_UP = 0.02
FALL = 0.5
"""Share of the budget over which the learning rate falls to zero."""
CHECKPOINT_S = 60.0
BALANCE_WEIGHT = 0.01

Progress = Callable[[str], None]


def rate(done: float) -> float:
    """Return the learning rate's factor after a share `done` of the budget.

    >>> rate(0.3), rate(1.0)
    (1.0, 0.0)
    """
    return min(1.0, (done + 1e-4) / WARM_UP, (1 - done) / FALL)


def block_loss(model: Llama, part: Block, teacher: Llama | None = None) -> Tensor:
    """Return the summed loss over the answer bytes of a block: against the text, or against a teacher's odds."""
    data = torch.from_numpy(part.tokens.astype("int64"))
    mask = torch.from_numpy(part.answers[:, 1:])
    logits = model.logits(model.hidden(data[:, :-1])[mask]).float()
    hard = F.cross_entropy(logits, data[:, 1:][mask], reduction="sum")
    if teacher is None:
        return hard
    with torch.no_grad():
        odds = teacher.logits(teacher.hidden(data[:, :-1])[mask]).float().log_softmax(dim=-1)
    soft = F.kl_div(logits.log_softmax(dim=-1), odds, log_target=True, reduction="sum")
    return 0.9 * soft + 0.1 * hard


def train(
    recipe: Recipe, checkpoint: Path, progress: Progress, *, start: Llama | None = None, teacher: Llama | None = None
) -> tuple[Llama, float]:
    """Return the trained model and the CPU seconds it took; goes on from `checkpoint` where one exists."""
    torch.manual_seed(recipe.seed)
    model = start or Llama(recipe.shape, torch.Generator().manual_seed(recipe.seed))
    tuners = optimizers(model, recipe.learning_rate)
    seen, steps, spent = _resume(checkpoint, recipe, model, tuners)
    began = saved_at = time.process_time()
    source = islice(batches(recipe, recipe.seed), steps, None)
    while seen < recipe.tokens:
        blocks, size, answer_bytes = next(source)
        total = _step(model, tuners, blocks, answer_bytes, rate(seen / recipe.tokens), teacher)
        seen, steps = seen + size, steps + 1
        now = time.process_time()
        if steps % 250 == 0:
            share = 100 * seen / recipe.tokens
            progress(f"{recipe.name}: {share:5.1f} %, loss {total:.3f}, {spent + now - began:.0f} CPU-s")
        if now - saved_at > CHECKPOINT_S or seen >= recipe.tokens:
            saved_at = now
            state: dict[str, Any] = {"model": model.state_dict(), "tuners": [tuner.state_dict() for tuner in tuners]}
            state |= {"seen": seen, "steps": steps, "spent": spent + now - began, "recipe": _key(recipe)}
            partial = checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(checkpoint)
    return model, spent + time.process_time() - began


def _key(recipe: Recipe) -> str:
    """Return all of a recipe that changes its weights, as text."""
    return repr(replace(recipe, note="", kind="", quantizations=()))


def _resume(
    checkpoint: Path, recipe: Recipe, model: Llama, tuners: list[torch.optim.Optimizer]
) -> tuple[int, int, float]:
    """Load a checkpoint where there is one; return tokens seen, steps taken and CPU seconds spent so far."""
    if not checkpoint.exists():
        return 0, 0, 0.0
    state = torch.load(checkpoint, weights_only=True)
    if state["recipe"] != _key(recipe):
        raise ConfigError(
            f"{checkpoint} is of another recipe than {recipe.name} has now; "
            f"expected one of the same size, tokens and seed: delete it to train anew"
        )
    model.load_state_dict(state["model"])
    for tuner, saved in zip(tuners, state["tuners"], strict=True):
        tuner.load_state_dict(saved)
    return state["seen"], state["steps"], state["spent"]


def _step(
    model: Llama,
    tuners: list[torch.optim.Optimizer],
    blocks: list[Block],
    answer_bytes: int,
    factor: float,
    teacher: Llama | None,
) -> float:
    """Take one step; return the loss per answer byte before it."""
    total = 0.0
    for part in blocks:
        value = block_loss(model, part, teacher)
        for layer in model.layers:
            if isinstance(layer.feed, Experts):
                value = value + BALANCE_WEIGHT * layer.feed.balance * float(part.answers.sum())
        (value / answer_bytes).backward()
        total += value.item()
    for tuner in tuners:
        for group in tuner.param_groups:
            group["lr"] = group["initial_lr"] * max(factor, 0.0)
        tuner.step()
        tuner.zero_grad(set_to_none=True)
    return total / answer_bytes
