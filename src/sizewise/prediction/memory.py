"""Memory that a candidate needs, by part: weights, cache, compute buffers, second copies, what engine and driver take.

Formulas for llama.cpp were fitted on its allocator's own figures (build b11549; `benchmarks/predict_memory.py` shows
their errors); where the engine itself was asked, its answer is the predictor of record. vLLM and transformers follow
their documented allocation. Not covered: memory of a vision tower, of LoRA adapters, of draft models.
"""

from __future__ import annotations

from functools import lru_cache

from sizewise.models.cache import cache_bytes
from sizewise.prediction.facts import ModelFacts, ShapeFacts
from sizewise.records import Architecture, MemoryParts

MIB = 2**20
CUDA_CONTEXT_BYTES = 320 * MIB
"""What the CUDA driver, cuBLAS and the kernels of llama.cpp take on a device before any weight is there:
assumed, no GPU was at hand."""
VLLM_CONTEXT_BYTES = 900 * MIB
"""CUDA context, NCCL and captured graphs of vLLM: assumed, not measured here."""
TORCH_CONTEXT_BYTES = 700 * MIB
ENGINE_BYTES = 32 * MIB
ENGINE_BYTES_PER_TOKEN = 236
"""Resident size of llama.cpp itself: 32 MiB and 0.23 KiB for each entry of the vocabulary, fitted on idle runs."""


@lru_cache(maxsize=4096)
def shape_cache_bytes(shape: ShapeFacts, context_tokens: int, kv_type: str, engine: str, sequences: int) -> int:
    """Return the cache of a shape: every different block once, times how often it occurs."""
    total = 0
    for layer, count in shape.kinds:
        block = Architecture(
            family=shape.family, hidden=shape.hidden, vocabulary=shape.vocabulary, layers=(layer,), tied=shape.tied
        )
        total += count * cache_bytes(block, context_tokens, kv_type=kv_type, engine=engine, sequences=sequences)
    return total


@lru_cache(maxsize=4096)
def compute_bytes(shape: ShapeFacts, context_tokens: int, *, micro_batch: int = 512, flash: bool = True) -> int:
    """Return llama.cpp's compute buffer for one micro-batch: the widest moment of its graph, mask and scores.

    u micro-batch, d hidden, ff feed-forward: `4u(3 ff + 5 d) + 2u ctx`; experts: `8u used (d + ff_expert) + 2u ctx`;
    without flash attention `4u (heads ctx + 3 heads dim + 3.5 d) + 4u ctx` where that is more. Fitted on the
    allocator of build b11549.
    """
    batch = min(micro_batch, context_tokens)
    feed, hidden, inner = shape.feed_width, shape.hidden, shape.inner_width
    dense = 4 * batch * (3 * feed + 5 * hidden) if feed else 4 * batch * (8 * hidden)
    mixture = 8 * batch * (shape.experts_used * hidden + shape.routed_width)
    if flash:
        return max(dense, mixture, 4 * batch * (3 * inner + 2 * hidden)) + 2 * batch * context_tokens
    scores = 4 * batch * (shape.heads * context_tokens + 3 * inner + 7 * hidden // 2)
    return max(dense, mixture, scores) + 4 * batch * context_tokens


def llama_cpp_memory(
    facts: ModelFacts,
    context_tokens: int,
    *,
    kv_type: str = "f16",
    sequences: int = 1,
    micro_batch: int = 512,
    flash: bool = True,
    on_cpu: bool = True,
) -> MemoryParts:
    """Return what llama.cpp needs on one device that holds the whole model; `context_tokens` is per sequence."""
    shape = facts.shape
    cache = shape_cache_bytes(shape, context_tokens, kv_type, "llama.cpp", sequences)
    return MemoryParts(
        weights=facts.weight_bytes,
        kv_cache=cache,
        compute=compute_bytes(shape, context_tokens * sequences, micro_batch=micro_batch, flash=flash),
        repack=facts.repack_bytes if on_cpu else 0,
        overhead=ENGINE_BYTES + ENGINE_BYTES_PER_TOKEN * shape.vocabulary if on_cpu else CUDA_CONTEXT_BYTES,
    )


def vllm_memory(
    facts: ModelFacts, context_tokens: int, *, kv_type: str = "f16", sequences: int = 1, parallel: int = 1
) -> MemoryParts:
    """Return what vLLM needs on each of `parallel` GPUs for `sequences` full contexts; it then takes all it may use.

    Activations are its profiling run's: 8,192 batched tokens through the widest block and the logits of 256 sequences.
    """
    shape = facts.shape
    widest = max(2 * shape.feed_width, shape.routed_width, 3 * shape.inner_width, 2 * shape.hidden)
    activations = 2 * 8192 * (widest // parallel + 2 * shape.hidden) + 6 * 256 * shape.vocabulary
    cache = shape_cache_bytes(shape, context_tokens, kv_type, "vllm", sequences)
    return MemoryParts(
        weights=-(-facts.weight_bytes // parallel),
        kv_cache=-(-cache // parallel),
        compute=activations,
        overhead=VLLM_CONTEXT_BYTES,
    )


def vllm_concurrency(
    facts: ModelFacts,
    context_tokens: int,
    device_bytes: int,
    *,
    kv_type: str = "f16",
    utilization: float = 0.9,
    parallel: int = 1,
) -> float:
    """Return how many requests of a full context fit vLLM's pool; 0 when the weights alone do not fit.

    The pool is `utilization` x memory less weights, activation peak and context, and may be below one request.
    """
    one = vllm_memory(facts, context_tokens, kv_type=kv_type, parallel=parallel)
    pool = device_bytes * utilization - (one.weights + one.compute + one.overhead)
    return max(0.0, pool) / one.kv_cache if one.kv_cache else float("inf") if pool > 0 else 0.0


def transformers_memory(
    facts: ModelFacts, context_tokens: int, *, sequences: int = 1, on_cpu: bool = True
) -> MemoryParts:
    """Return what transformers needs: weights, a cache that grows, the logits of the whole prompt in float32."""
    shape = facts.shape
    logits = 4 * context_tokens * shape.vocabulary
    widest = max(shape.feed_width, shape.routed_width, shape.inner_width)
    hidden = 2 * context_tokens * (2 * widest + 4 * shape.hidden)
    return MemoryParts(
        weights=facts.weight_bytes,
        kv_cache=shape_cache_bytes(shape, context_tokens, "f16", "transformers", sequences),
        compute=sequences * max(logits, hidden),
        overhead=880 * MIB if on_cpu else TORCH_CONTEXT_BYTES,
    )
