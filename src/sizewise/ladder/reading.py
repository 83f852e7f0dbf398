"""A shipped F16 or F32 file back into the training code: to compare answers, to teach, to prune."""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sizewise.errors import ModelError
from sizewise.ladder.exporting import ALIGNMENT
from sizewise.ladder.network import Llama
from sizewise.ladder.quantize import Rows
from sizewise.ladder.recipe import Shape
from sizewise.models.gguf_reading import GgufFile, read_gguf

KINDS = {"F32": "<f4", "F16": "<f2"}


def tensors(file: GgufFile) -> dict[str, Rows]:
    """Return the tensors of a file as float32, rows first; ModelError where one is quantized."""
    raw, at, found = Path(file.path).read_bytes(), file.data_start, {}
    for row in file.tensors:
        if row.type_name not in KINDS:
            raise ModelError(f"{file.path}: {row.name} is {row.type_name}; expected F16 or F32: take the F16 file")
        values = np.frombuffer(raw, KINDS[row.type_name], count=row.elements, offset=at)
        found[row.name] = values.astype(np.float32).reshape(row.shape[::-1])
        at += -(-row.bytes // ALIGNMENT) * ALIGNMENT
    return found


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
    stored, model = tensors(file), Llama(shape_of(file.keys))
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
