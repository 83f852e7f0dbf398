"""A trained model as a GGUF file that llama.cpp loads: tensor names and rotary order; keys are in `gguf_file`.

Our rotary embedding turns neighbouring pairs, which is what llama.cpp's "llama" architecture does, so query and
key rows go over as they are. (Weights trained with the halves convention of Hugging Face would have to be
permuted; `from_halves` does that.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.ladder.gguf_file import write_member
from sizewise.ladder.network import Experts, Llama
from sizewise.ladder.quantize import Rows
from sizewise.ladder.recipe import Recipe


def from_halves(rows: Rows, heads: int) -> Rows:
    """Return query or key rows reordered from the halves convention to neighbouring pairs.

    >>> from_halves(np.arange(4, dtype=np.float32)[:, None], 1).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """
    width = rows.shape[1]
    return rows.reshape(heads, 2, -1, width).swapaxes(1, 2).reshape(-1, width)


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
    """Write the model as GGUF in one quantization."""
    write_member(matrices(model), recipe, path, quantization, cpu_s)
