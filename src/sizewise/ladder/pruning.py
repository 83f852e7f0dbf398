"""Structured pruning: the feed-forward channels that weigh least are removed, the rest is kept as it is.

A channel's weight is the product of the norms of its gate row, its up row and its down column (a magnitude
criterion). Not covered: heads, layers, the embedding. Healing is ordinary training from what is left.
"""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed)

from __future__ import annotations

from typing import Any

import torch

from sizewise.ladder.network import Llama
from sizewise.ladder.recipe import Shape


def pruned(model: Llama, shape: Shape) -> Llama:
    """Return a model of `shape`, which differs from the given one in a smaller `hidden` alone."""
    small = Llama(shape)
    state = model.state_dict()
    for number, layer in enumerate(model.layers):
        prefix = f"layers.{number}.feed."
        kept = _heaviest(layer.feed, shape.hidden)
        for name in ("gate", "up"):
            state[f"{prefix}{name}.weight"] = state[f"{prefix}{name}.weight"][kept]
        state[f"{prefix}down.weight"] = state[f"{prefix}down.weight"][:, kept]
    small.load_state_dict(state)
    return small


def _heaviest(feed: Any, count: int) -> torch.Tensor:
    weight = feed.gate.weight.norm(dim=1) * feed.up.weight.norm(dim=1) * feed.down.weight.norm(dim=0)
    return weight.topk(count).indices.sort().values
