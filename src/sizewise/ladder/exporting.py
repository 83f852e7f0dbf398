"""A trained model as a GGUF file that llama.cpp loads: names, rotary order, byte tokenizer, provenance.

Our rotary embedding turns neighbouring pairs, which is what llama.cpp's "llama" architecture does, so query and
key rows go over as they are. (Weights trained with the halves convention of Hugging Face would have to be
permuted; `from_halves` does that.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.ladder.network import NORM_EPSILON, Experts, Llama
from sizewise.ladder.quantize import FORMATS, Rows
from sizewise.ladder.recipe import NEWLINE, VERSION, VOCABULARY, Recipe
from sizewise.models.gguf_reading import read_gguf
from sizewise.models.gguf_writing import write_gguf

ALIGNMENT = 32
"""Tensors start at multiples of this many bytes of the data part, which itself starts at one."""
NORMAL_TOKEN = 1
NEVER = "À Á"
"""The one merge, of two bytes that UTF-8 never has: llama.cpp wants a list of merges, bytes need none."""


def byte_names() -> list[str]:
    """Return the 256 printable names that byte-level BPE gives to bytes, in byte order.

    >>> byte_names()[65], byte_names()[32], len(set(byte_names()))
    ('A', 'Ġ', 256)
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    names, spare = [], 256
    for byte in range(VOCABULARY):
        names.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return names


def from_halves(rows: Rows, heads: int) -> Rows:
    """Return query or key rows reordered from the halves convention to neighbouring pairs.

    >>> from_halves(np.arange(4, dtype=np.float32)[:, None], 1).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """
    width = rows.shape[1]
    return rows.reshape(heads, 2, -1, width).swapaxes(1, 2).reshape(-1, width)


def metadata(recipe: Recipe, quantization: str, cpu_s: float) -> dict[str, Any]:
    """Return the key-value part of the file."""
    shape = recipe.shape
    found: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": recipe.name,
        "general.license": "mit",
        "general.quantization_version": 2,
        "general.file_type": FORMATS[quantization][0],
        "general.parameter_count": shape.parameters(),
        "llama.block_count": shape.layers,
        "llama.context_length": recipe.context,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.attention.key_length": shape.head_dim,
        "llama.attention.value_length": shape.head_dim,
        "llama.attention.layer_norm_rms_epsilon": NORM_EPSILON,
        "llama.rope.dimension_count": shape.head_dim,
        "llama.rope.freq_base": shape.rope_base,
        "llama.vocab_size": VOCABULARY,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": byte_names(),
        "tokenizer.ggml.token_type": [NORMAL_TOKEN] * VOCABULARY,
        "tokenizer.ggml.merges": [NEVER],
        "tokenizer.ggml.bos_token_id": NEWLINE,
        "tokenizer.ggml.eos_token_id": NEWLINE,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "sizewise.recipe_version": VERSION,
        "sizewise.kind": recipe.kind,
        "sizewise.training_tokens": recipe.tokens,
        "sizewise.training_cpu_s": float(cpu_s),
        "sizewise.seed": recipe.seed,
    }
    if shape.experts:
        found["llama.expert_count"] = shape.experts
        found["llama.expert_used_count"] = shape.experts_used
    return found


def matrices(model: Llama) -> Iterator[tuple[str, Rows]]:
    """Yield llama.cpp's tensor names with values; the gains of the norms are ones."""
    gain = np.ones(model.shape.width, dtype=np.float32)
    yield "token_embd.weight", model.embedding.detach().numpy()
    yield "output_norm.weight", gain
    for number, layer in enumerate(model.layers):
        prefix = f"blk.{number}"
        yield f"{prefix}.attn_norm.weight", gain
        for ours, theirs in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
            yield f"{prefix}.{theirs}.weight", getattr(layer.attention, ours).weight.detach().numpy()
        yield f"{prefix}.ffn_norm.weight", gain
        yield from _feed(prefix, layer.feed)


def _feed(prefix: str, feed: Any) -> Iterator[tuple[str, Rows]]:
    if not isinstance(feed, Experts):
        for name in ("gate", "up", "down"):
            yield f"{prefix}.ffn_{name}.weight", getattr(feed, name).weight.detach().numpy()
        return
    yield f"{prefix}.ffn_gate_inp.weight", feed.router.weight.detach().numpy()
    for name in ("gate", "up", "down"):
        stacked = np.stack([getattr(expert, name).weight.detach().numpy() for expert in feed.experts])
        yield f"{prefix}.ffn_{name}_exps.weight", stacked


def export(model: Llama, recipe: Recipe, path: Path, quantization: str = "F16", cpu_s: float = 0.0) -> None:
    """Write the model as GGUF; vectors and routers stay F32, all other matrices get the quantization."""
    table, data = [], []
    for name, values in matrices(model):
        kind = "F32" if values.ndim == 1 or "gate_inp" in name else quantization
        table.append((name, values.shape[::-1], kind))
        data.append(FORMATS[kind][1](values.reshape(-1, values.shape[-1])))
    partial = path.with_suffix(".partial")
    write_gguf(partial, metadata(recipe, quantization, cpu_s), table)
    with partial.open("r+b") as file:
        file.seek(read_gguf(partial).data_start)
        for part in data:
            file.write(part)
            file.seek(-file.tell() % ALIGNMENT, 1)
    partial.replace(path)
