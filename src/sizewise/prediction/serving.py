"""Time per output token and to the first one of a serving engine under concurrency: vLLM, SGLang, TensorRT-LLM.

TPOT is a sum of physical times with fitted factors (all 0 or more): weights and cache over bandwidth, arithmetic,
prompts of other requests that share the steps, all-reduces, launches a layer, scheduling a sequence. TTFT is a fitted
power law of the prompt's own time, the load and TPOT. Fitted on 1,933 published runs on H100, B200, B300 and GB200;
the ranges come from models left out. Not covered: disaggregated prefill, speculative decoding, arrival processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from sizewise.prediction.facts import ShapeFacts
from sizewise.prediction.speed import experts_read

NVLINK_BYTES_PER_S = 450e9
"""One direction of NVLink 4; half of what the maker prints."""
TPOT_TERMS = (
    "experts", "dense", "cache", "prompts", "layer", "reduce", "prompt_reduce", "sparse_layer", "sequence", "step",
    "layer_vllm", "sequence_vllm", "layer_sglang", "sequence_sglang", "layer_quantized", "prompt_token",
    "prompt_request", "state",
)  # fmt: skip
TTFT_TERMS = (
    "one", "prompt", "concurrency", "tpot", "input", "output", "gpus", "vllm", "sglang", "concurrency2",
    "prompt_concurrency", "queue",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCase:
    """One model on equal GPUs under a closed loop of `concurrency` requests."""

    shape: ShapeFacts
    parameters: float
    """All weights, input embedding included."""
    weight_bytes_each: float
    flops: float
    """Of one GPU, at the precision of the matrix products."""
    bandwidth: float
    gpus: int
    concurrency: float
    input_tokens: float
    output_tokens: float
    engine: str = "vllm"
    cache_bytes_each: float = 2.0
    link_bytes_per_s: float = NVLINK_BYTES_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Amounts that both laws use."""

    experts: float
    dense: float
    active: float
    prompt_flops: float
    reduce_bytes: float
    """Of one token, both all-reduces of all layers."""


def _work(case: ServingCase) -> _Work:
    shape = case.shape
    routed = float(shape.expert_weights)
    embedding = 0 if shape.tied else shape.hidden * shape.vocabulary
    dense = case.parameters - routed - embedding
    read = active = 0.0
    if routed:
        read = routed * experts_read(shape.experts_count, shape.experts_used, case.concurrency) / shape.experts_count
        active = routed * shape.experts_used / shape.experts_count
    attention = sum(g.layers * g.macs_per_cell * case.input_tokens**2 / 2 for g in shape.attention)
    return _Work(
        experts=read,
        dense=dense,
        active=dense + active,
        prompt_flops=2 * (dense + active) * case.input_tokens + 2 * attention,
        reduce_bytes=4.0 * shape.layers * shape.hidden if case.gpus > 1 else 0.0,
    )


def _cache_bytes(case: ServingCase) -> float:
    depth = case.input_tokens + case.output_tokens / 2
    total = 0.0
    for group in case.shape.attention:
        cells = depth if group.window is None else min(depth, group.window)
        total += group.layers * sum(group.row_elements) * cells
    return total * case.cache_bytes_each


def _state_bytes(case: ServingCase) -> float:
    return sum(8.0 * count * layer.recurrent.state_elements for layer, count in case.shape.kinds if layer.recurrent)


def tpot_features(case: ServingCase) -> list[float]:
    """Return the physical times of `TPOT_TERMS`, seconds before their fitted factors."""
    work, shape, batch = _work(case), case.shape, case.concurrency
    memory, arithmetic = case.gpus * case.bandwidth, case.gpus * case.flops
    layers, starts = shape.layers * 1e-5, batch / case.output_tokens
    """`starts`: requests that begin in one decode step."""
    vllm, sglang = float(case.engine == "vllm"), float(case.engine == "sglang")
    return [
        work.experts * case.weight_bytes_each / memory,
        work.dense * case.weight_bytes_each / memory,
        batch * _cache_bytes(case) / memory,
        starts * work.prompt_flops / arithmetic,
        layers,
        batch * work.reduce_bytes / case.link_bytes_per_s,
        starts * case.input_tokens * work.reduce_bytes / case.link_bytes_per_s,
        shape.sparse_layers * 1e-5,
        batch * 1e-5,
        1e-3,
        layers * vllm,
        batch * 1e-5 * vllm,
        layers * sglang,
        batch * 1e-5 * sglang,
        layers * float(case.weight_bytes_each < 2),
        starts * case.input_tokens * 1e-6,
        starts * 1e-3,
        batch * _state_bytes(case) / memory,
    ]


def ttft_features(case: ServingCase, tpot_s: float) -> list[float]:
    """Return the logarithmic terms of `TTFT_TERMS`."""
    work = _work(case)
    own = work.prompt_flops / (case.gpus * case.flops)
    each = own + case.input_tokens * work.reduce_bytes / case.link_bytes_per_s
    busy = case.concurrency * each / (case.output_tokens * tpot_s + case.concurrency * each)
    crowd = log(case.concurrency)
    return [
        1.0,
        log(own),
        crowd,
        log(tpot_s),
        log(case.input_tokens),
        log(case.output_tokens),
        log(case.gpus),
        float(case.engine == "vllm"),
        float(case.engine == "sglang"),
        crowd**2,
        log(own) * crowd,
        log(case.concurrency * own * busy + 1e-9),
    ]


def serving_times(
    case: ServingCase, tpot_factors: Sequence[float], ttft_factors: Sequence[float]
) -> tuple[float, float]:
    """Return (seconds per output token, seconds to the first token) of a case under fitted factors."""
    tpot = sum(factor * value for factor, value in zip(tpot_factors, tpot_features(case), strict=True))
    tpot = max(tpot, 1e-4)
    ttft = exp(sum(factor * value for factor, value in zip(ttft_factors, ttft_features(case, tpot), strict=True)))
    return tpot, max(ttft, tpot)


def fitted_times(case: ServingCase, constants: Mapping[str, object]) -> tuple[float, float]:
    """Return the same under the shipped constants (`constants.fitted()["serving"]`)."""
    tpot, ttft = constants["tpot"], constants["ttft"]
    if not isinstance(tpot, Mapping) or not isinstance(ttft, Mapping):
        raise TypeError("the shipped serving constants have another form; rebuild them with benchmarks/predict_fit.py")
    return serving_times(case, [tpot[name] for name in TPOT_TERMS], [ttft[name] for name in TTFT_TERMS])
