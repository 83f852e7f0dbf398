"""Bytes of cache that a sequence needs, by cache type and by engine; pure arithmetic.

Engines differ, so they are named:

- `llama.cpp`: cells are padded to 256; sliding layers hold `pad256(window + micro-batch)` cells for the families whose
  windows it honours; latent attention keeps one row of rank + rope; recurrent states are f32
  (llama.cpp `llama-kv-cache*.cpp`, `llama-hparams.cpp`, checked against its allocator in `benchmarks/models_cache.py`).
- `vllm`: pages of 16 tokens, all attention layers at full length: the worst case that its hybrid allocator reserves.
  Where layers have a recurrent state, a page is stretched until it holds one layer's state, groups of recurrent layers
  take two such pages each, and the context is rounded up to pages (worked out from published start-up logs, checked
  in `benchmarks/models_cache.py`).
- `transformers`: no padding, sliding layers hold the window.

Not covered: compute buffers (see `prediction`), prefix sharing between sequences.
"""

from __future__ import annotations

from collections.abc import Mapping

from sizewise.errors import ConfigError
from sizewise.records import Architecture, Attention, Recurrent

CACHE_TYPES: Mapping[str, tuple[int, int]] = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "fp8": (1, 1), "q8_0": (32, 34), "q5_1": (32, 24), "q5_0": (32, 22),
    "q4_1": (32, 20), "q4_0": (32, 18), "iq4_nl": (32, 18),
}  # fmt: skip
"""Cache type -> (elements of a block, bytes of a block)."""

ENGINES = ("llama.cpp", "vllm", "transformers")

LLAMA_CPP_WINDOWS = frozenset({
    "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "cohere2", "gpt_oss", "llama4_text", "exaone4", "olmo3",
    "step3p5", "step3p7", "mimo_v2",
})  # fmt: skip
"""Families whose sliding windows llama.cpp applies; it caches every other one at full length."""

_PAD, _PAGE = 256, 16
_STATE_PAGES = 2
"""Pages of one sequence in each group of recurrent layers: the running state and the one kept for prefix reuse."""


def row_bytes(elements: int, kv_type: str) -> int:
    """Return the bytes of one cached row of `elements` numbers; raise `ConfigError` for an unknown type.

    >>> row_bytes(128, "q8_0")
    136
    """
    if kv_type not in CACHE_TYPES:
        raise ConfigError(f"unknown cache type {kv_type!r}; expected one of {', '.join(CACHE_TYPES)}")
    block, size = CACHE_TYPES[kv_type]
    return -(-elements // block) * size


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _row(attention: Attention, kv_type: str, value_type: str) -> int:
    """Return bytes that one token adds to the cache of one attention layer."""
    if attention.shares_cache:
        return 0
    if attention.latent:
        return row_bytes(attention.latent.kv_rank + attention.latent.rope_dim, kv_type)
    keys = row_bytes(attention.kv_heads * attention.head_dim, kv_type)
    return keys + row_bytes(attention.kv_heads * attention.value_dim, value_type)


def window_of(arch: Architecture, attention: Attention, engine: str) -> int | None:
    """Return the window that `engine` caps this layer's cache at; None where it caches the full length."""
    if engine == "vllm" or (engine == "llama.cpp" and arch.family not in LLAMA_CPP_WINDOWS):
        return None
    return attention.window


def _cells(window: int | None, context: int, engine: str, sequences: int, micro_batch: int, unified: bool) -> int:
    """Return how many tokens one layer's cache holds for all sequences."""
    if engine == "transformers":
        return sequences * (min(context, window) if window else context)
    if engine == "vllm":
        return sequences * _up(context, _PAGE)
    streams = 1 if unified else sequences
    length = _up(context * (sequences if unified else 1), _PAD)
    if window:
        length = _up(min(length, window * (sequences if unified else 1) + micro_batch), _PAD)
    return streams * length


def _state(mixer: Recurrent, engine: str) -> int:
    """Return bytes of the state of one sequence in one recurrent layer."""
    kept = mixer.conv_kernel if engine == "transformers" and mixer.kind != "deltanet" else mixer.conv_kernel - 1
    convolution = kept * mixer.conv_channels
    if engine == "llama.cpp":
        return 4 * (mixer.state_elements + convolution)
    return 4 * mixer.state_elements + 2 * convolution


def _is_hybrid(arch: Architecture) -> bool:
    cached = any(layer.attention and not layer.attention.shares_cache for layer in arch.layers)
    return cached and any(layer.recurrent for layer in arch.layers)


def _vllm_hybrid(arch: Architecture, context: int, kv_type: str, value_type: str, sequences: int) -> dict[str, int]:
    """Return the pages that vLLM's hybrid allocator takes: one page size, groups of as many layers as attend."""
    rows = [_row(layer.attention, kv_type, value_type) for layer in arch.layers if layer.attention]
    states = [_state(layer.recurrent, "vllm") for layer in arch.layers if layer.recurrent]
    row = max([1, *rows])
    tokens = _up(max(1, -(-max(states) // row)), _PAGE)
    page = tokens * row
    layers = min(len(rows), len(states))
    attending, recurrent = -(-len(rows) // layers), -(-len(states) // layers)
    return {
        "full": sequences * attending * -(-context // tokens) * page * layers,
        "state": sequences * recurrent * _STATE_PAGES * page * layers,
    }


def cache_parts(
    arch: Architecture,
    context_tokens: int,
    *,
    kv_type: str = "f16",
    value_type: str | None = None,
    engine: str = "llama.cpp",
    sequences: int = 1,
    micro_batch: int = 512,
    unified: bool = True,
) -> dict[str, int]:
    """Return bytes of cache for `sequences` sequences of `context_tokens` tokens each, by part.

    Parts: `full` (full attention), `window` (sliding or chunked), `state` (recurrent), `indexer` (sparse attention's
    own keys). `unified` is llama.cpp's one shared buffer for all sequences; False gives each its own.
    Raises `ConfigError` for an unknown engine or type, or a context below 1.
    """
    if engine not in ENGINES:
        raise ConfigError(f"unknown engine {engine!r}; expected one of {', '.join(ENGINES)}")
    if context_tokens < 1 or sequences < 1:
        raise ConfigError(f"a cache of {context_tokens} tokens x {sequences} sequences; expected at least 1 of each")
    parts = {"full": 0, "window": 0, "state": 0, "indexer": 0}
    if engine == "vllm" and _is_hybrid(arch):
        return parts | _vllm_hybrid(arch, context_tokens, kv_type, value_type or kv_type, sequences)
    for layer in arch.layers:
        if layer.attention:
            window = window_of(arch, layer.attention, engine)
            cells = _cells(window, context_tokens, engine, sequences, micro_batch, unified)
            parts["window" if window else "full"] += cells * _row(layer.attention, kv_type, value_type or kv_type)
            if layer.attention.indexer:
                parts["indexer"] += cells * row_bytes(layer.attention.indexer.dim, kv_type)
        if layer.recurrent:
            parts["state"] += sequences * _state(layer.recurrent, engine)
    return parts


def cache_bytes(
    arch: Architecture,
    context_tokens: int,
    *,
    kv_type: str = "f16",
    value_type: str | None = None,
    engine: str = "llama.cpp",
    sequences: int = 1,
    micro_batch: int = 512,
    unified: bool = True,
) -> int:
    """Return all cache bytes; the arguments are those of `cache_parts`.

    >>> from sizewise.records import Attention, Layer
    >>> block = Layer(attention=Attention(heads=4, kv_heads=2, head_dim=64, value_dim=64))
    >>> arch = Architecture(family="llama", hidden=256, vocabulary=1000, layers=(block,) * 2, tied=True)
    >>> cache_bytes(arch, 1024)  # 2 layers x 1024 cells x (2 x 64 keys + 2 x 64 values) x 2 bytes
    1048576
    """
    parts = cache_parts(
        arch,
        context_tokens,
        kv_type=kv_type,
        value_type=value_type,
        engine=engine,
        sequences=sequences,
        micro_batch=micro_batch,
        unified=unified,
    )
    return sum(parts.values())


def bytes_per_token(arch: Architecture, *, kv_type: str = "f16", engine: str = "llama.cpp") -> int:
    """Return what one more token adds to the cache of a long context: layers without a window only."""
    total = 0
    for layer in arch.layers:
        if layer.attention and window_of(arch, layer.attention, engine) is None:
            total += _row(layer.attention, kv_type, kv_type)
            if layer.attention.indexer:
                total += row_bytes(layer.attention.indexer.dim, kv_type)
    return total
