"""Small models of real shape, made on the spot, that show one thing each: a tensor type, a layer's overhead, attention.

Their data are holes, which an engine reads like any zeros: the bytes move all the same. Not covered: quality.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from sizewise.models.file_layout import file_tensors
from sizewise.models.ggml import tensor_bytes
from sizewise.models.gguf_metadata import metadata, tokenizer
from sizewise.models.gguf_writing import write_gguf
from sizewise.models.mixes import converted_type, quantizable
from sizewise.records import Architecture, Attention, FeedForward, Layer

VOCABULARY = 512


def weights_shape(layers: int) -> Architecture:
    """Return a llama of 47 million weights a layer, wide enough that matrices stream from memory."""
    attention = Attention(heads=16, kv_heads=4, head_dim=128, value_dim=128)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=5632))
    return Architecture(family="llama", hidden=2048, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True)


def attention_shape(head_dim: int, layers: int = 2) -> Architecture:
    """Return a llama whose weights are small and whose attention is not: 32 query heads on 8 key heads."""
    attention = Attention(heads=32, kv_heads=8, head_dim=head_dim, value_dim=head_dim)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=256))
    return Architecture(
        family="llama", hidden=256, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True, context_tokens=32768
    )


def overhead_shape(layers: int) -> Architecture:
    """Return a llama whose matrices stay in the cache, so that what is left is the engine's own time."""
    attention = Attention(heads=4, kv_heads=4, head_dim=64, value_dim=64)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=256))
    return Architecture(family="llama", hidden=256, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True)


def write_pure(path: Path, arch: Architecture, type_name: str) -> tuple[int, int]:
    """Write a sparse file whose matrices all have one type; return (bytes, weights) of that type.

    The embedding, which is the head too, is F16 and tiny.
    """
    rows, count = [], 0
    for tensor in file_tensors(arch):
        inner = tensor.name.startswith("blk.") and quantizable(tensor.name, tensor.shape)
        kind = type_name if inner else converted_type(tensor.name, tensor.shape, "F16")
        rows.append((tensor.name, tensor.shape, kind))
        if inner:
            count += prod(tensor.shape)
    keys = {**metadata(arch), **tokenizer(arch.vocabulary), "general.name": f"probe {type_name}"}
    write_gguf(path, keys, rows)
    size = sum(tensor_bytes(kind, shape) for name, shape, kind in rows if kind == type_name and name.startswith("blk."))
    return size, count
