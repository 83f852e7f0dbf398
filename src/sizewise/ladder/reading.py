"""A shipped F16 or F32 file back into the training code: to compare answers, to teach, to prune."""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sizewise.ladder.gguf_file import read_tensors
from sizewise.ladder.network import Llama
from sizewise.ladder.recipe import Shape
from sizewise.models.gguf_reading import read_gguf


def shape_of(keys: Mapping[str, Any]) -> Shape:
    """Return the sizes that a file's metadata tells."""
    return Shape(
        width=keys["llama.embedding_length"],
        layers=keys["llama.block_count"],
        heads=keys["llama.attention.head_count"],
        kv_heads=keys["llama.attention.head_count_kv"],
        head_dim=keys["llama.attention.key_length"],
        hidden=keys["llama.feed_forward_length"],
        experts=keys.get("llama.expert_count", 0),
        experts_used=keys.get("llama.expert_used_count", 0),
        rope_base=keys["llama.rope.freq_base"],
    )


def load(path: Path) -> Llama:
    """Return the torch model of an F16 or F32 file of the ladder."""
    file = read_gguf(path)
    stored, model = read_tensors(file), Llama(shape_of(file.keys))
    state = {"embedding": stored["token_embd.weight"]}
    for number in range(model.shape.layers):
        block, ours = f"blk.{number}.", f"layers.{number}."
        for short, name in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
            state[f"{ours}attention.{short}.weight"] = stored[f"{block}{name}.weight"]
        for name in ("gate", "up", "down"):
            if not model.shape.experts:
                state[f"{ours}feed.{name}.weight"] = stored[f"{block}ffn_{name}.weight"]
                continue
            for expert, values in enumerate(stored[f"{block}ffn_{name}_exps.weight"]):
                state[f"{ours}feed.experts.{expert}.{name}.weight"] = values
        if model.shape.experts:
            state[f"{ours}feed.router.weight"] = stored[f"{block}ffn_gate_inp.weight"]
    model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in state.items()})
    return model
