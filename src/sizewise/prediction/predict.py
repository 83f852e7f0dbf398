"""`predict()`: what one candidate needs and does on one machine for one workload, every number with its range.

Pure: the model's facts, the machine and (where somebody asked it) the engine's own memory figures come in as records.
Never derives quality. Not covered: speed of remote services, which only a measurement can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sizewise.errors import ConfigError, UnknownFact
from sizewise.prediction.constants import fitted
from sizewise.prediction.cost import Ownership, api_cost, own_cost
from sizewise.prediction.energy import answer_energy, power
from sizewise.prediction.facts import TYPE_BITS, ModelFacts, model_facts
from sizewise.prediction.load_time import load_time
from sizewise.prediction.placement import MEMORY_RANGE, DoesNotFit, Placement, Plan, place
from sizewise.prediction.serving import ServingCase, fitted_times
from sizewise.prediction.speed import Pace, decode_pace, prefill_pace
from sizewise.records import (
    Bottleneck,
    Candidate,
    Estimate,
    Machine,
    MemoryParts,
    Model,
    Prediction,
    Skipped,
    Source,
    Workload,
)

GPU_RUNTIMES = frozenset({"ollama", "llama-server", "llama_server", "vllm", "transformers", "openai"})
"""Runtimes that use a GPU when there is one; the embedded engine's wheel computes on the processor (Metal on a Mac)."""
BY_THE_ENGINE = "measured by the engine: llama.cpp's own allocator, asked without weights"
_WHOLE = ("processor", "unified", "gpu")
"""Kinds of placement on one device, whose memory the engine itself can tell."""
_ENGINE_OF = {"vllm": "vllm", "transformers": "transformers"}
_FIT_ENGINE = {"ollama": "ollama", "mlx": "mlx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Paces of one request of the workload's shape in a placement, all devices together."""

    step: Pace
    """One decode step at the middle of the answer, `concurrency` sequences in it."""
    prompt: Pace
    """Until the first token is there."""


def facts_of(model: Model, quantization: str | None) -> ModelFacts:
    """Return a model's facts in a quantization: its own bytes where files were read, else those of the file mix.

    Raises UnknownFact where neither is possible, ConfigError for an unknown mix.
    """
    wanted = quantization or model.quantization
    if model.tensor_bytes and (quantization is None or quantization == model.quantization):
        return model_facts(model)
    if model.architecture is None:
        raise UnknownFact(f"{model.name}: its architecture is not known, so nothing can be predicted; name a GGUF file")
    from sizewise.models.quantization import bytes_by_type

    mix = wanted or "F16"
    return model_facts(
        replace(
            model,
            tensor_bytes=bytes_by_type(model.architecture, mix),
            active_tensor_bytes=bytes_by_type(model.architecture, mix, active=True),
        )
    )


def _together(paces: list[tuple[Pace, float]]) -> Pace:
    """Add what several devices take one after the other; the slowest gives range and bottleneck."""
    slowest = max(paces, key=lambda item: item[0].seconds * item[1])[0]
    return replace(
        slowest,
        seconds=sum(pace.seconds * share for pace, share in paces),
        low=min(pace.low for pace, _ in paces),
        high=max(pace.high for pace, _ in paces),
    )


def speeds(
    facts: ModelFacts, machine: Machine, placement: Placement, plan: Plan, workload: Workload, engine: str = "llamacpp"
) -> Speeds | None:
    """Return the speeds of a placement; None when a device's bandwidth is not known."""
    if plan.engine == "vllm":
        served = _served(facts, placement, plan, workload)
        if served is not None:
            return served
    steps, prompts = [], []
    depth = workload.prompt_tokens + workload.output_tokens / 2
    for device, share in placement.shares:
        step = decode_pace(
            facts, machine, device, depth=depth, kv_type=plan.kv_type, batch=workload.concurrency, engine=engine
        )
        prompt = prefill_pace(facts, machine, device, tokens=workload.prompt_tokens, kv_type=plan.kv_type)
        if step is None or prompt is None:
            return None
        steps.append((step, share))
        prompts.append((prompt, share))
    if placement.kind == "tensor parallel":
        return _in_parallel(steps, prompts)
    return Speeds(step=_together(steps), prompt=_together(prompts))


def _served(facts: ModelFacts, placement: Placement, plan: Plan, workload: Workload) -> Speeds | None:
    """Return the speeds of a serving engine by its own laws; None for a device whose operations are not known."""
    device = placement.shares[0][0]
    if not device.flops or not device.bandwidth_bytes_per_s:
        return None
    stored = sum(size * 8 / TYPE_BITS.get(kind, 8.0) for kind, size in facts.weights.items())
    each = facts.weight_bytes / stored
    fast = device.fp4_flops if each < 0.7 else device.fp8_flops if each < 1.5 else None
    case = ServingCase(
        shape=facts.shape,
        parameters=stored,
        weight_bytes_each=each,
        flops=fast or device.flops,
        bandwidth=device.bandwidth_bytes_per_s,
        gpus=len(placement.shares),
        concurrency=max(1.0, workload.concurrency),
        input_tokens=workload.prompt_tokens,
        output_tokens=max(1, workload.output_tokens),
        cache_bytes_each=1.0 if plan.kv_type == "fp8" else 2.0,
    )
    own = fitted()["serving"]
    tpot, ttft = fitted_times(case, own)
    detail = "fitted on published serving runs; other models were off by this much"
    step = Pace(
        seconds=tpot, low=1 / own["tpot_range"][1], high=1 / own["tpot_range"][0], source=Source.PREDICTED,
        detail=detail, bottleneck=Bottleneck.BANDWIDTH,
    )  # fmt: skip
    low, high = 1 / own["ttft_range"][1], 1 / own["ttft_range"][0]
    prompt = replace(step, seconds=max(ttft, 1e-4), low=low, high=high, bottleneck=Bottleneck.COMPUTE)
    return Speeds(step=step, prompt=prompt)


def _in_parallel(steps: list[tuple[Pace, float]], prompts: list[tuple[Pace, float]]) -> Speeds:
    """Divide a layer's work over equal devices; two all-reduces a layer keep 15 % of it per doubling (assumed)."""
    count = len(steps)
    kept = 1 / count * (1.15 ** (count.bit_length() - 1))
    wider = 1.3
    step, prompt = steps[0][0], prompts[0][0]
    return Speeds(
        step=replace(step, seconds=step.seconds * kept, low=step.low / wider, high=step.high * wider),
        prompt=replace(prompt, seconds=prompt.seconds * kept, low=prompt.low / wider, high=prompt.high * wider),
    )


def _rate(pace: Pace, count: float) -> Estimate:
    value = count / pace.seconds
    return Estimate(
        value=value,
        low=value * pace.low,
        high=value * pace.high,
        source=pace.source,
        detail=f"90 % range, {pace.detail}",
    )


def _time(pace: Pace) -> Estimate:
    return Estimate(
        value=pace.seconds,
        low=pace.seconds / pace.high,
        high=pace.seconds / pace.low,
        source=pace.source,
        detail=f"90 % range, {pace.detail}",
    )


def _memory(parts: MemoryParts, engine: str, asked: bool) -> tuple[Estimate, dict[str, Estimate]]:
    half = MEMORY_RANGE["engine" if asked else engine]
    source = Source.MEASURED if asked else Source.PREDICTED
    detail = BY_THE_ENGINE if asked else f"formula for {engine}"

    def of(value: int, share: float) -> Estimate:
        return Estimate(value=value, low=value * (1 - share), high=value * (1 + share), source=source, detail=detail)

    named = {
        "weights": of(parts.weights, 0.001),
        "kv_cache": of(parts.kv_cache, 0.001),
        "compute": of(parts.compute, half * 3),
        "repack": of(parts.repack, half),
        "overhead": replace(of(parts.overhead, 0.5), source=Source.ASSUMED, detail="engine and driver, assumed"),
    }
    return of(parts.peak, half), named


def _remote(candidate: Candidate, workload: Workload) -> Prediction:
    nothing = Estimate(value=0.0, low=0.0, high=0.0, source=Source.ASSUMED, detail="runs elsewhere")
    price = candidate.price
    cost = api_cost(price, workload.prompt_tokens, workload.output_tokens) if price else None
    return Prediction(
        candidate=candidate.name,
        memory_bytes=nothing,
        cost_usd_per_1k_answers=cost,
        bottleneck=Bottleneck.NETWORK,
        assumptions=("runs elsewhere: its memory and speed are not predicted",),
    )


def _plan(candidate: Candidate, machine: Machine, workload: Workload) -> Plan:
    settings = candidate.settings
    return Plan(
        engine=_ENGINE_OF.get(candidate.runtime, "llama.cpp"),
        context_tokens=settings.context_tokens or workload.context_tokens,
        sequences=max(settings.concurrency, workload.concurrency),
        kv_type=settings.kv_type,
        use_gpu=candidate.runtime in GPU_RUNTIMES or machine.operating_system == "Darwin",
    )


def _too_long(model: Model, plan: Plan, workload: Workload) -> str | None:
    needed = workload.prompt_tokens + workload.output_tokens
    if needed > plan.context_tokens:
        return (
            f"prompt and answer are {needed} tokens, the context is set to {plan.context_tokens}; "
            f"set it to at least {needed}"
        )
    if model.context_tokens and needed > model.context_tokens:
        return f"prompt and answer are {needed} tokens, the model was made for {model.context_tokens}"
    return None


def predict(
    candidate: Candidate,
    model: Model | None,
    machine: Machine,
    workload: Workload,
    *,
    asked: MemoryParts | None = None,
    owned: Ownership | None = None,
) -> Prediction | Skipped:
    """Return what the candidate needs and does, or why it cannot run here.

    `model` is None for a candidate that runs elsewhere. `asked` holds the engine's own memory figures where it was
    asked (`machines.engine_memory`), `owned` what the machine costs. Every number is an `Estimate`; the peak of
    memory counts mapped weights, which the system may take back under pressure.
    """
    if model is None:
        return _remote(candidate, workload)
    plan = _plan(candidate, machine, workload)
    too_long = _too_long(model, plan, workload)
    if too_long:
        return Skipped(candidate=candidate.name, reason=too_long)
    try:
        facts = facts_of(model, candidate.quantization)
    except (UnknownFact, ConfigError) as error:
        return Skipped(candidate=candidate.name, reason=str(error))
    placement = place(facts, machine, plan, asked)
    if isinstance(placement, DoesNotFit):
        return Skipped(candidate=candidate.name, reason=placement.reason)
    return describe(candidate, facts, machine, placement, plan, workload, asked=asked is not None, owned=owned)


def describe(
    candidate: Candidate, facts: ModelFacts, machine: Machine, placement: Placement, plan: Plan, workload: Workload,
    *, asked: bool = False, owned: Ownership | None = None,
) -> Prediction:  # fmt: skip
    """Return the prediction of a candidate that was placed."""
    memory, parts = _memory(placement.parts, plan.engine, asked and placement.kind in _WHOLE)
    found = speeds(facts, machine, placement, plan, workload, _FIT_ENGINE.get(candidate.runtime, "llamacpp"))
    on_gpu = placement.kind not in ("processor", "unified")
    base = Prediction(
        candidate=candidate.name,
        memory_bytes=memory,
        memory_parts=parts,
        load_s=load_time(facts, machine, on_gpu=on_gpu),
        bottleneck=Bottleneck.UNKNOWN,
        assumptions=_assumptions(placement, machine),
    )
    if found is None:
        return replace(base, assumptions=(*base.assumptions, "the device's bandwidth is not known: no speed is given"))
    step, prompt = found.step, found.prompt
    ttft = _time(prompt)  # the first token comes with the prompt's own step
    answer = _answer(ttft, step, workload.output_tokens)
    drawn = power(machine, tuple(device for device, _ in placement.shares), step.bottleneck)
    joules = answer_energy(drawn, answer, concurrency=workload.concurrency) if drawn else None
    cost = own_cost(owned, answer, joules, concurrency=workload.concurrency) if owned else None
    if candidate.price:
        cost = api_cost(candidate.price, workload.prompt_tokens, workload.output_tokens)
    return replace(
        base,
        decode_tokens_per_s=_rate(step, 1.0),
        prefill_tokens_per_s=_rate(prompt, workload.prompt_tokens),
        ttft_s=ttft,
        answer_s=answer,
        energy_j_per_answer=joules,
        cost_usd_per_1k_answers=cost,
        bottleneck=step.bottleneck,
    )


def _answer(ttft: Estimate, step: Pace, tokens: int) -> Estimate:
    rest = max(0, tokens - 1) * step.seconds
    return Estimate(
        value=ttft.value + rest,
        low=ttft.low + rest / step.high,
        high=ttft.high + rest / step.low,
        source=ttft.source,
        detail=ttft.detail,
    )


def _assumptions(placement: Placement, machine: Machine) -> tuple[str, ...]:
    notes = {
        "processor": "all on the processor",
        "unified": "weights and cache in shared memory",
        "gpu": "all on one GPU",
        "split": "layers divided over the GPUs by free memory",
        "experts": "experts stay in main memory, the rest on the GPU",
        "partial": f"{placement.shares[0][1]:.0%} of the layers on the GPU, the rest on the processor",
        "tensor parallel": f"every layer divided over {len(placement.shares)} GPUs",
    }
    told = [notes[placement.kind]]
    if placement.shares[-1][0].kind == "cpu" and machine.calibration is None:
        told.append("speed assumed, not measured: `sizewise calibrate` narrows it")
    if placement.kind not in ("processor", "unified"):
        told.append("what the driver takes of a GPU's memory is assumed")
    if placement.kind == "tensor parallel":
        told.append("what dividing a layer costs is assumed")
    for device in dict.fromkeys(device.name for device, _ in placement.shares):
        facts = next(own.sources for own, _ in placement.shares if own.name == device)
        names = [name for name, source in facts.items() if "assumed" in source]
        if names and device != machine.devices[0].name:
            told.append(f"assumed of {device}: {', '.join(names)}")
    return tuple(told)


def held_out_errors() -> dict[str, dict[str, float]]:
    """Return the leave-one-device-out errors of the shipped decode law, by data set."""
    errors: dict[str, dict[str, float]] = fitted()["decode"]["held_out"]
    return errors
