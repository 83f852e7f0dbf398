"""Seconds of a decode step and of a prompt on one device, with their ranges; the larger of moving bytes and computing.

Three roads, best first: constants that `sizewise calibrate` measured on this machine with this engine; the law fitted
on published measurements for the device's class; for an unmeasured processor, assumptions, with a wide range. Each
says which it took. Not covered: speculative decoding, prompt caching.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, hypot, log, log2

from sizewise.prediction.constants import decode_constants, decode_range, device_class, fitted
from sizewise.prediction.facts import (
    TYPE_BITS,
    ModelFacts,
    attention_macs,
    cache_read_bytes,
    cache_rows,
    head_cells,
    prompt_attention_macs,
    prompt_cache_rows,
    prompt_head_cells,
)
from sizewise.records import Bottleneck, Calibration, Device, Machine, Source

MICRO_BATCH = 512
_ASSUMED_CORE_BANDWIDTH = 9e9
"""Bytes per second that one core draws from memory while decoding, where nobody measured: 6 to 15 GB/s are usual."""
_ASSUMED_BANDWIDTH = 45e9
"""Two channels of DDR4-3200 or DDR5-4800 at what engines reach of them."""
_ASSUMED_CORE_MACS = {"avx512f": 20e9, "avx2": 16e9, "asimd": 14e9, "": 3e9}
"""Multiply-accumulates per second and core in a prompt's matrix products, by the best instruction set."""
_CPU_LAYER_S = 12e-6
_CPU_STEP_S = 1e-4
"""What a step costs whatever the model: sampling, building the graph, handing the token over."""
_CPU_RANGE = (0.4, 1.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds, the factors on speed that hold 90 % of cases, and where they come from."""

    seconds: float
    low: float
    """Slowest plausible speed / predicted speed."""
    high: float
    source: Source
    detail: str
    bottleneck: Bottleneck

    def scaled(self, share: float) -> Pace:
        """Return the pace of a share of the work."""
        return Pace(
            seconds=self.seconds * share,
            low=self.low,
            high=self.high,
            source=self.source,
            detail=self.detail,
            bottleneck=self.bottleneck,
        )


def experts_read(count: int, used: int, batch: float) -> float:
    """Return how many different experts a batch of tokens reads in one layer, tokens choosing independently.

    >>> round(experts_read(128, 8, 1), 9)
    8.0
    """
    missed: float = (1 - used / count) ** batch
    return count * (1 - missed)


def batch_read_bytes(facts: ModelFacts, batch: float) -> float:
    """Return the bytes of weights that one step for `batch` sequences reads: more experts than for one."""
    if batch <= 1 or not facts.shape.sparse_layers:
        return float(facts.read_bytes)
    count, used = facts.shape.experts_count, facts.shape.experts_used
    routed = facts.expert_bytes * used / count
    grown = facts.expert_bytes * experts_read(count, used, batch) / count
    return facts.read_bytes + max(0.0, grown - routed)


def _family(kind: str) -> str:
    """Return the family of a tensor type: types of one share their layout and kernels.

    >>> _family("Q5_K"), _family("Q5_0"), _family("IQ4_XS")
    ('K', '0', 'I')
    """
    return "I" if kind.startswith("IQ") else kind.rpartition("_")[2] if kind.startswith("Q") else kind


def _rate(rates: Mapping[str, float], kind: str) -> tuple[float, bool]:
    """Return the measured rate of a tensor type, else that of the nearest of its family; False says "else"."""
    if kind in rates:
        return rates[kind], True
    bits, family = TYPE_BITS.get(kind, 8.0), _family(kind)
    near = [known for known in rates if _family(known) == family] or list(rates)
    return rates[min(near, key=lambda known: abs(TYPE_BITS.get(known, 8.0) - bits))], False


def _attention_s(rates: Mapping[str, float], kv_type: str, macs: float, cells: float, rows: float) -> float:
    """Return seconds of attention: multiply-accumulates, (head, cached token) pairs, rows of keys to fetch."""
    kind = kv_type if any(name.split()[0] == kv_type for name in rates) else "f16"
    amounts = {kind: macs, f"{kind} cells": cells, f"{kind} rows": rows}
    return sum(amount / rates[name] for name, amount in amounts.items() if rates.get(name))


def _deeper(own: Calibration, depth: float, share: float) -> float:
    """Return by how much (a logarithm) a range grows because no whole model was timed at this depth.

    Attention's cost for a cached token moves by up to a quarter per doubling as the cache outgrows the processor's.
    """
    if not own.checked_depth or depth <= own.checked_depth:
        return 0.0
    return 0.25 * share * log2(depth / own.checked_depth)


def _half(own: Calibration, quantity: str, depth: float, attention: float, borrowed: float) -> float:
    """Return the half width of a range as a ratio: own errors, depth, and types whose rate was borrowed from another.

    `attention` and `borrowed` are shares of the predicted time.
    """
    return exp(hypot(log(1 + own.residual.get(quantity, 0.5)), _deeper(own, depth, attention), 0.4 * borrowed)) - 1


def _calibrated_decode(facts: ModelFacts, own: Calibration, depth: float, kv_type: str, batch: float) -> Pace:
    growth = batch_read_bytes(facts, batch) / facts.read_bytes
    weights = borrowed = 0.0
    for kind, size in facts.read.items():
        if kind == "F32":
            continue
        rate, known = _rate(own.decode_bytes_per_s, kind)
        macs, _ = _rate(own.prefill_macs_per_s, kind)
        seconds = max(size * growth / rate, batch * facts.macs.get(kind, 0.0) / macs)
        weights += seconds
        borrowed += 0.0 if known else seconds
    attention = batch * _attention_s(
        own.attention_decode_macs_per_s,
        kv_type,
        attention_macs(facts.shape, depth),
        head_cells(facts.shape, depth),
        cache_rows(facts.shape, depth),
    )
    fixed = own.token_overhead_s * batch + own.layer_overhead_s * facts.shape.layers
    seconds = weights + attention + fixed
    half = _half(own, "decode", depth, attention / seconds, borrowed / seconds) if seconds else 0.5
    parts = {Bottleneck.BANDWIDTH: weights, Bottleneck.COMPUTE: attention, Bottleneck.OVERHEAD: fixed}
    detail = "calibrated on this machine" + (", nearest tensor type" if borrowed else "")
    return Pace(
        seconds=seconds * own.correction.get("decode", 1.0),
        low=1 / (1 + half),
        high=1 + half,
        source=Source.PREDICTED,
        detail=detail,
        bottleneck=max(parts, key=lambda part: parts[part]),
    )


def cpu_bandwidth(machine: Machine, device: Device) -> float:
    """Return bytes per second that an engine may draw on a processor nobody calibrated: known peak or cores."""
    cores = max(1.0, machine.cpu_cores) * _ASSUMED_CORE_BANDWIDTH
    peak = device.bandwidth_bytes_per_s
    return min(cores, 0.75 * peak if peak else _ASSUMED_BANDWIDTH)


def _cpu_macs(machine: Machine) -> float:
    best = next((name for name in _ASSUMED_CORE_MACS if name in machine.cpu_features), "")
    return _ASSUMED_CORE_MACS[best] * max(1.0, machine.cpu_cores)


def _assumed_decode(facts: ModelFacts, machine: Machine, device: Device, depth: float, kv: str, batch: float) -> Pace:
    moved = batch_read_bytes(facts, batch) + batch * cache_read_bytes(facts.shape, depth, kv)
    bytes_s = moved / cpu_bandwidth(machine, device)
    compute_s = batch * (facts.total_macs + 4 * attention_macs(facts.shape, depth)) / _cpu_macs(machine)
    fixed = _CPU_STEP_S + _CPU_LAYER_S * facts.shape.layers
    parts = {Bottleneck.BANDWIDTH: bytes_s, Bottleneck.COMPUTE: compute_s, Bottleneck.OVERHEAD: fixed}
    return Pace(
        seconds=max(bytes_s, compute_s) + fixed,
        low=_CPU_RANGE[0],
        high=_CPU_RANGE[1],
        source=Source.ASSUMED,
        detail="not calibrated: run `sizewise calibrate`",
        bottleneck=max(parts, key=lambda part: parts[part]),
    )


def _fitted_decode(facts: ModelFacts, device: Device, depth: float, kv_type: str, batch: float, engine: str) -> Pace:
    name = device_class(device)
    law, (low, high) = decode_constants(name), decode_range(name)
    bandwidth = device.bandwidth_bytes_per_s or 0.0
    moved = batch_read_bytes(facts, batch) + batch * cache_read_bytes(facts.shape, depth, kv_type)
    extra = fitted()["decode"]["engines"].get(engine, 0.0)
    if device.vendor == "NVIDIA" and device.kind == "unified":
        extra += fitted()["decode"]["shared_memory"]
    per_byte = max(1.0, law.per_byte + extra)
    bytes_s = per_byte * moved / bandwidth
    fixed = law.step_s + law.layer_s * facts.shape.layers + law.sparse_layer_s * facts.shape.sparse_layers
    compute_s = (
        batch * (facts.total_macs + attention_macs(facts.shape, depth)) / prefill_rate(device)[0] if batch > 1 else 0
    )
    parts = {Bottleneck.BANDWIDTH: bytes_s, Bottleneck.COMPUTE: compute_s, Bottleneck.OVERHEAD: fixed}
    return Pace(
        seconds=max(bytes_s, compute_s) + fixed,
        low=low,
        high=high,
        source=Source.PREDICTED,
        detail=f"fitted on measured {name} devices",
        bottleneck=max(parts, key=lambda part: parts[part]),
    )


def decode_pace(
    facts: ModelFacts,
    machine: Machine,
    device: Device,
    *,
    depth: float,
    kv_type: str = "f16",
    batch: float = 1.0,
    engine: str = "llamacpp",
) -> Pace | None:
    """Return the pace of one decode step of `batch` sequences with `depth` cached tokens each, all on one device.

    None when the device is a GPU whose bandwidth is not known: nothing can be said then.
    """
    if device.kind == "cpu":
        if machine.calibration and machine.calibration.decode_bytes_per_s:
            return _calibrated_decode(facts, machine.calibration, depth, kv_type, batch)
        return _assumed_decode(facts, machine, device, depth, kv_type, batch)
    if not device.bandwidth_bytes_per_s:
        return None
    return _fitted_decode(facts, device, depth, kv_type, batch, engine)


def prefill_rate(device: Device) -> tuple[float, float, float]:
    """Return (multiply-accumulates per second of prompts, low factor, high factor) of a GPU, as fitted by class."""
    own, name = fitted()["prefill"], device_class(device)
    if device.flops:
        known = own["macs_per_flop"].get(name) or own["macs_per_flop"]["NVIDIA"]
        return device.flops * known["value"], known["low"], known["high"]
    known = own["macs_per_byte"].get(name) or own["macs_per_byte"]["AMD"]
    widen = 1.0 if name in own["macs_per_byte"] else 2.0
    return (device.bandwidth_bytes_per_s or 0.0) * known["value"], known["low"] ** widen, known["high"] ** widen


def _kept_of_prompt(facts: ModelFacts) -> float:
    """Return the share of a prompt's matrix products that llama.cpp does: the last layer's feed-forward sees one token.

    After its last attention it goes on with the tokens whose output is wanted; seen on models of 1 to 5 layers.
    """
    inner = facts.total_macs - facts.shape.head_macs
    return max(0.0, 1 - facts.shape.feed_macs / max(1, facts.shape.layers) / inner) if inner > 0 else 1.0


def _calibrated_prefill(facts: ModelFacts, own: Calibration, tokens: int, start: float, kv_type: str) -> Pace:
    seconds = borrowed = 0.0
    head = facts.shape.head_macs
    types = dict(facts.macs)
    head_type = max(types, key=lambda kind: TYPE_BITS.get(kind, 8.0) if types[kind] >= head else 0.0) if types else ""
    kept = _kept_of_prompt(facts)
    for kind, macs in types.items():
        rate, known = _rate(own.prefill_macs_per_s, kind)
        inner = macs - head if kind == head_type else macs
        seconds += max(0.0, inner) * kept * tokens / rate
        borrowed += 0.0 if known else max(0.0, inner) * kept * tokens / rate
    attention = _attention_s(
        own.attention_prefill_macs_per_s,
        kv_type,
        prompt_attention_macs(facts.shape, start, tokens),
        prompt_head_cells(facts.shape, start, tokens),
        prompt_cache_rows(facts.shape, start, tokens),
    )
    seconds += attention
    steps = -(-tokens // MICRO_BATCH)
    weights = sum(size / _rate(own.decode_bytes_per_s, kind)[0] for kind, size in facts.read.items() if kind != "F32")
    once = weights * min(1.0, head / max(facts.total_macs, 1.0))
    seconds = max(seconds, weights * steps * 0.5) + once + own.layer_overhead_s * facts.shape.layers * steps
    seconds += own.token_overhead_s
    half = _half(own, "prefill", start + tokens, attention / seconds, borrowed / seconds) if seconds else 0.5
    return Pace(
        seconds=seconds * own.correction.get("prefill", 1.0),
        low=1 / (1 + half),
        high=1 + half,
        source=Source.PREDICTED,
        detail="calibrated on this machine" + (", nearest tensor type" if borrowed else ""),
        bottleneck=Bottleneck.COMPUTE,
    )


def prefill_pace(
    facts: ModelFacts, machine: Machine, device: Device, *, tokens: int, start: float = 0.0, kv_type: str = "f16"
) -> Pace | None:
    """Return the pace of reading a prompt of `tokens` after `start` cached ones; None when nothing is known."""
    tokens = max(1, tokens)
    if device.kind == "cpu" and machine.calibration and machine.calibration.prefill_macs_per_s:
        return _calibrated_prefill(facts, machine.calibration, tokens, start, kv_type)
    steps = -(-tokens // MICRO_BATCH)
    macs = (facts.total_macs - min(facts.shape.head_macs, facts.total_macs * 0.9)) * tokens
    macs += prompt_attention_macs(facts.shape, start, tokens) + facts.shape.head_macs
    if device.kind == "cpu":
        rate, low, high = _cpu_macs(machine), *_CPU_RANGE
        source, detail = Source.ASSUMED, "not calibrated: run `sizewise calibrate`"
        moved, fixed = facts.read_bytes / cpu_bandwidth(machine, device), _CPU_LAYER_S * facts.shape.layers
    elif device.bandwidth_bytes_per_s:
        rate, low, high = prefill_rate(device)
        source, detail = Source.PREDICTED, f"fitted on measured {device_class(device)} devices"
        law = decode_constants(device_class(device))
        moved, fixed = facts.weight_bytes / device.bandwidth_bytes_per_s, law.step_s + law.layer_s * facts.shape.layers
    else:
        return None
    compute = macs / rate
    return Pace(
        seconds=max(compute, moved * steps) + fixed * steps,
        low=low,
        high=high,
        source=source,
        detail=detail,
        bottleneck=Bottleneck.COMPUTE if compute > moved * steps else Bottleneck.BANDWIDTH,
    )
