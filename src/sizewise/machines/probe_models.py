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
from sizewise.records import Architecture, Attention, Experts, FeedForward, Layer

VOCABULARY = 512


def weights_shape(layers: int) -> Architecture:
    """Return a llama of 47 million weights a layer, wide enough that matrices stream from memory."""
    attention = Attention(heads=16, kv_heads=4, head_dim=128, value_dim=128)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=5632))
    return Architecture(family="llama", hidden=2048, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True)


def last_feed_weights(arch: Architecture) -> int:
    """Return the weights of the last layer's feed-forward, through which llama.cpp sends a prompt's last token only.

    >>> last_feed_weights(weights_shape(4)) == 3 * 2048 * 5632
    True
    """
    feed = arch.layers[-1].feed_forward
    return arch.hidden * feed.width * 3 if feed else 0


def attention_shape(head_dim: int, kv_heads: int = 8, layers: int = 2) -> Architecture:
    """Return a llama whose weights are small and whose attention is not: 32 query heads."""
    attention = Attention(heads=32, kv_heads=kv_heads, head_dim=head_dim, value_dim=head_dim)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=256))
    return Architecture(
        family="llama", hidden=256, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True, context_tokens=32768
    )


def overhead_shape(layers: int) -> Architecture:
    """Return a llama whose matrices stay in the cache, so that what is left is the engine's own time."""
    attention = Attention(heads=4, kv_heads=4, head_dim=64, value_dim=64)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=256))
    return Architecture(family="llama", hidden=256, vocabulary=VOCABULARY, layers=(layer,) * layers, tied=True)


def check_shapes() -> dict[str, tuple[Architecture, str]]:
    """Return made-up whole models and their file mixes, which show how far off the constants are on mixed files.

    Drawn before any was timed, unlike each other and unlike the probes: a wide llama with a head of its own, a narrow
    one whose Q4_K_M falls back to other types, one with 256-wide heads and a large tied head, a mixture of experts.
    """
    return {
        "wide": (_llama(hidden=1536, width=4096, heads=12, kv_heads=2, dim=128, vocabulary=24000, layers=2), "Q4_K_M"),
        "narrow": (_llama(hidden=832, width=2304, heads=13, kv_heads=13, dim=64, vocabulary=16000, layers=5), "Q4_K_M"),
        "tall": (_llama(hidden=1024, width=6144, heads=4, kv_heads=1, dim=256, vocabulary=48000, layers=3), "Q8_0"),
        "experts": (_mixture(), "Q4_K_M"),
    }


def _llama(
    *, hidden: int, width: int, heads: int, kv_heads: int, dim: int, vocabulary: int, layers: int
) -> Architecture:
    attention = Attention(heads=heads, kv_heads=kv_heads, head_dim=dim, value_dim=dim)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=width))
    return Architecture(
        family="llama", hidden=hidden, vocabulary=vocabulary, layers=(layer,) * layers, tied=dim == 256,
        context_tokens=32768,
    )  # fmt: skip


def _mixture() -> Architecture:
    attention = Attention(heads=16, kv_heads=4, head_dim=64, value_dim=64)
    layer = Layer(attention=attention, experts=Experts(count=16, used=4, width=1024))
    return Architecture(
        family="mixtral", hidden=1024, vocabulary=24000, layers=(layer,) * 3, tied=False, context_tokens=32768
    )


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
