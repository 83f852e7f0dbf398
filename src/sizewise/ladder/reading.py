"""A shipped F16 or F32 file back into the training code: to compare answers, to teach, to prune.

Reads only what `exporting` writes; the models room reads GGUF files in general.
"""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed)

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sizewise.errors import ModelError
from sizewise.ladder import gguf_file
from sizewise.ladder.network import Llama
from sizewise.ladder.recipe import Shape

FIXED = {gguf_file.UINT32: "<I", gguf_file.INT32: "<i", gguf_file.FLOAT32: "<f", gguf_file.BOOL: "<?"}
FIXED[gguf_file.UINT64] = "<Q"
TYPES: dict[int, str] = {0: "<f4", 1: "<f2"}


class Cursor:
    """A place in the bytes of a file that moves on with each value read."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def take(self, form: str) -> Any:
        """Return the next value of a `struct` form."""
        (value,) = struct.unpack_from(form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        """Return the next string."""
        size = self.take("<Q")
        self.at += size
        return self.raw[self.at - size : self.at].decode()

    def value(self, kind: int) -> Any:
        """Return the next metadata value of a type number."""
        if kind == gguf_file.STRING:
            return self.text()
        if kind == gguf_file.ARRAY:
            inner, count = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(FIXED[kind])


def contents(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    """Return the metadata and the tensors (as float32, rows first) of a file that `exporting` wrote."""
    cursor = Cursor(path.read_bytes())
    if cursor.raw[:4] != gguf_file.MAGIC:
        raise ModelError(f"{path} starts with {cursor.raw[:4]!r}; expected a GGUF file of the ladder")
    cursor.at = 8
    tensor_count, key_count = cursor.take("<Q"), cursor.take("<Q")
    metadata = {cursor.text(): cursor.value(cursor.take("<I")) for _ in range(key_count)}
    table = []
    for _ in range(tensor_count):
        name, dimensions = cursor.text(), cursor.take("<I")
        shape = tuple(cursor.take("<Q") for _ in range(dimensions))
        table.append((name, shape[::-1], cursor.take("<I"), cursor.take("<Q")))
    start = -(-cursor.at // gguf_file.ALIGNMENT) * gguf_file.ALIGNMENT
    tensors = {}
    for name, shape, kind, offset in table:
        if kind not in TYPES:
            raise ModelError(
                f"{path.name}: {name} has ggml type {kind}; expected F16 or F32: give the member's F16 file"
            )
        values = np.frombuffer(cursor.raw, TYPES[kind], count=int(np.prod(shape)), offset=start + offset)
        tensors[name] = values.astype(np.float32).reshape(shape)
    return metadata, tensors


def shape_of(metadata: dict[str, Any]) -> Shape:
    """Return the sizes that a file's metadata tells."""
    return Shape(
        width=metadata["llama.embedding_length"],
        layers=metadata["llama.block_count"],
        heads=metadata["llama.attention.head_count"],
        kv_heads=metadata["llama.attention.head_count_kv"],
        head_dim=metadata["llama.attention.key_length"],
        hidden=metadata["llama.feed_forward_length"],
        experts=metadata.get("llama.expert_count", 0),
        experts_used=metadata.get("llama.expert_used_count", 0),
        rope_base=metadata["llama.rope.freq_base"],
    )


def load(path: Path) -> Llama:
    """Return the torch model of an F16 or F32 file."""
    metadata, tensors = contents(path)
    model = Llama(shape_of(metadata))
    state = {"embedding": tensors["token_embd.weight"]}
    for number in range(model.shape.layers):
        block, ours = f"blk.{number}.", f"layers.{number}."
        for short, name in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
            state[f"{ours}attention.{short}.weight"] = tensors[f"{block}{name}.weight"]
        for name in ("gate", "up", "down"):
            if not model.shape.experts:
                state[f"{ours}feed.{name}.weight"] = tensors[f"{block}ffn_{name}.weight"]
                continue
            for expert, values in enumerate(tensors[f"{block}ffn_{name}_exps.weight"]):
                state[f"{ours}feed.experts.{expert}.{name}.weight"] = values
        if model.shape.experts:
            state[f"{ours}feed.router.weight"] = tensors[f"{block}ffn_gate_inp.weight"]
    model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in state.items()})
    return model
