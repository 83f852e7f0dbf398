"""Where the parts of a model go: one GPU, several unequal ones, layers or experts beside it, the processor.

A placement fits when every device's need, its range included, is within what is free *now*. A device whose free memory
nobody could tell holds nothing. Not covered: disk offload, pipeline parallelism over machines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sizewise.prediction.facts import ModelFacts
from sizewise.prediction.memory import llama_cpp_memory, transformers_memory, vllm_memory
from sizewise.records import Device, DeviceKind, Machine, MemoryParts
from sizewise.units import format_bytes

MEMORY_RANGE = {"engine": 0.01, "llama.cpp": 0.03, "vllm": 0.08, "transformers": 0.10}
"""Half width of a memory estimate's range as a share, by who was asked."""
_SMALLEST_SHARE = 0.1
"""Below a tenth of the layers on the GPU, moving activations eats what the GPU gains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the candidate is run, as far as placing it matters."""

    engine: str = "llama.cpp"
    context_tokens: int = 4096
    sequences: int = 1
    kv_type: str = "f16"
    flash: bool = True
    use_gpu: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which device holds which share, and what each needs at its peak."""

    kind: str
    """processor, gpu, unified, split, experts (on the processor), partial, tensor parallel."""
    shares: tuple[tuple[Device, float], ...]
    """Share of the bytes that a decode step reads, by device."""
    parts: MemoryParts
    """Over all devices."""
    needs: tuple[tuple[Device, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoesNotFit:
    """Why no placement works, and how much is missing in the best one."""

    reason: str
    missing_bytes: int | None = None


def memory_parts(facts: ModelFacts, plan: Plan, *, on_cpu: bool) -> MemoryParts:
    """Return what the plan's engine needs for the whole model on one device."""
    if plan.engine == "vllm":
        return vllm_memory(facts, plan.context_tokens, kv_type=plan.kv_type, sequences=plan.sequences)
    if plan.engine == "transformers":
        return transformers_memory(facts, plan.context_tokens, sequences=plan.sequences, on_cpu=on_cpu)
    return llama_cpp_memory(
        facts,
        plan.context_tokens,
        kv_type=plan.kv_type,
        sequences=plan.sequences,
        flash=plan.flash,
        on_cpu=on_cpu,
    )


def _high(need: int, engine: str) -> int:
    return int(need * (1 + MEMORY_RANGE[engine]))


def _whole(facts: ModelFacts, device: Device, plan: Plan, asked: MemoryParts | None) -> Placement:
    on_cpu = device.kind is DeviceKind.CPU
    own = memory_parts(facts, plan, on_cpu=on_cpu)
    if asked is None:
        parts = own
    else:  # a GPU has no second copy, and a driver instead of the engine's own share
        parts = asked if on_cpu else replace(asked, repack=0, overhead=own.overhead)
    kind = {DeviceKind.CPU: "processor", DeviceKind.UNIFIED: "unified", DeviceKind.GPU: "gpu"}[device.kind]
    return Placement(kind=kind, shares=((device, 1.0),), parts=parts, needs=((device, parts.peak),))


def _fits(placement: Placement, engine: str) -> bool:
    return all(
        device.memory_free_bytes is not None and _high(need, engine) <= device.memory_free_bytes
        for device, need in placement.needs
    )


def _split(facts: ModelFacts, devices: list[Device], plan: Plan) -> Placement:
    """Divide by free memory, as llama.cpp does; every device has its own compute buffer and context."""
    parts = memory_parts(facts, plan, on_cpu=False)
    own = parts.compute + parts.overhead
    room = [max(0, (device.memory_free_bytes or 0) - own) for device in devices]
    total = sum(room) or 1
    shared = parts.weights + parts.kv_cache
    shares = tuple((device, space / total) for device, space in zip(devices, room, strict=True))
    needs = tuple((device, int(shared * share) + own) for device, share in shares)
    whole = replace(parts, compute=parts.compute * len(devices), overhead=parts.overhead * len(devices))
    return Placement(kind="split", shares=shares, parts=whole, needs=needs)


def _parallel(facts: ModelFacts, devices: list[Device], plan: Plan) -> Placement:
    """Divide every layer evenly (vLLM's tensor parallelism)."""
    count = len(devices)
    one = vllm_memory(facts, plan.context_tokens, kv_type=plan.kv_type, sequences=plan.sequences, parallel=count)
    whole = MemoryParts(
        weights=one.weights * count,
        kv_cache=one.kv_cache * count,
        compute=one.compute * count,
        overhead=one.overhead * count,
    )
    return Placement(
        kind="tensor parallel",
        shares=tuple((device, 1 / count) for device in devices),
        parts=whole,
        needs=tuple((device, one.peak) for device in devices),
    )


def _beside(facts: ModelFacts, gpu: Device, cpu: Device, plan: Plan) -> Placement | None:
    """Keep the experts, or else the last layers, on the processor."""
    parts = memory_parts(facts, plan, on_cpu=False)
    free = (gpu.memory_free_bytes or 0) / (1 + MEMORY_RANGE[plan.engine])
    fixed = parts.compute + parts.overhead
    host = memory_parts(facts, plan, on_cpu=True)
    if facts.expert_bytes and parts.weights - facts.expert_bytes + parts.kv_cache + fixed <= free:
        read = facts.expert_bytes * facts.shape.experts_used / facts.shape.experts_count
        moved = facts.expert_bytes
        share = 1 - min(1.0, read / facts.read_bytes)
        on_gpu = parts.weights - moved + parts.kv_cache + fixed
        on_cpu = moved + host.repack + host.overhead + parts.compute // 4
        kind = "experts"
    else:
        share = (free - fixed) / (parts.weights + parts.kv_cache)
        share = int(share * facts.shape.layers) / max(1, facts.shape.layers)
        if share < _SMALLEST_SHARE or share > 1:
            return None
        on_gpu = int(share * (parts.weights + parts.kv_cache)) + fixed
        on_cpu = int((1 - share) * (host.weights + host.kv_cache + host.repack)) + host.overhead + host.compute
        kind = "partial"
    return Placement(
        kind=kind,
        shares=((gpu, share), (cpu, 1 - share)),
        parts=replace(parts, repack=int(host.repack * (1 - share)), overhead=parts.overhead + host.overhead),
        needs=((gpu, on_gpu), (cpu, on_cpu)),
    )


def _options(facts: ModelFacts, machine: Machine, plan: Plan, asked: MemoryParts | None) -> list[Placement]:
    cpu = machine.devices[0]
    gpus = [d for d in machine.devices[1:] if d.memory_free_bytes is not None] if plan.use_gpu else []
    discrete = [device for device in gpus if device.kind is DeviceKind.GPU]
    options = [_whole(facts, device, plan, asked) for device in gpus]
    if len(discrete) > 1:
        if plan.engine == "vllm":
            equal = [d for d in discrete if d.name == discrete[0].name]
            sizes = [n for n in (2, 4, 8) if n <= len(equal)]
            options += [_parallel(facts, equal[:n], plan) for n in sizes]
        elif plan.engine == "llama.cpp":
            options.append(_split(facts, discrete, plan))
    if discrete and plan.engine == "llama.cpp" and cpu.memory_free_bytes is not None:
        beside = _beside(facts, discrete[0], cpu, plan)
        options += [beside] if beside else []
    if plan.engine != "vllm":
        options.append(_whole(facts, cpu, plan, asked))
    return options


def place(facts: ModelFacts, machine: Machine, plan: Plan, asked: MemoryParts | None = None) -> Placement | DoesNotFit:
    """Return the first placement that fits, fastest kind first; else why none does.

    `asked` is the engine's own answer for the processor. It replaces the formulas there, and on one GPU that holds
    everything, where weights, cache and compute buffers are the same.
    """
    options = _options(facts, machine, plan, asked)
    fitting = next((option for option in options if _fits(option, plan.engine)), None)
    if fitting:
        return fitting
    if all(device.memory_free_bytes is None for device in machine.devices):
        why = "; ".join(machine.notes) or "no probe answered"
        return DoesNotFit(reason=f"free memory is not known ({why}), so nothing is promised to fit")
    if not options:
        return DoesNotFit(reason=f"{plan.engine} needs a GPU whose free memory is known, and there is none")
    gaps = [
        (sum(max(0, _high(need, plan.engine) - (d.memory_free_bytes or 0)) for d, need in option.needs), option)
        for option in options
    ]
    missing, nearest = min(gaps, key=lambda gap: gap[0])
    need = sum(need for _, need in nearest.needs)
    free = sum(device.memory_free_bytes or 0 for device, _ in nearest.needs)
    where = " and ".join(dict.fromkeys(device.name for device, _ in nearest.needs))
    return DoesNotFit(
        reason=f"needs {format_bytes(need)} at its peak, {format_bytes(free)} are free on {where}",
        missing_bytes=missing,
    )
