"""`sizewise plan MODEL`: the smallest devices and the cheapest cloud offers that run a model as fast as asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from sizewise.cli.fit_checks import MOST_TOKENS, finite

if TYPE_CHECKING:
    from sizewise.records import Candidate, Machine, MemoryParts, Model, Prediction, Skipped, Workload


@click.command(name="plan")
@click.argument("model", required=False)
@click.option("--quantization", "-q", help="File mix, for example Q4_K_M  [default: the file's own, else Q4_K_M]")
@click.option(
    "--prompt", default=512, show_default=True, type=click.IntRange(1, MOST_TOKENS), help="Tokens of a prompt."
)
@click.option(
    "--answer", default=256, show_default=True, type=click.IntRange(1, MOST_TOKENS), help="Tokens of an answer."
)
@click.option(
    "--context", default=4096, show_default=True, type=click.IntRange(16, MOST_TOKENS), help="Tokens of context."
)
@click.option("--concurrency", default=1, show_default=True, type=click.IntRange(1, 4096), help="Requests at a time.")
@click.option("--engine", type=click.Choice(["llama.cpp", "vllm"]), default="llama.cpp", show_default=True)
@click.option(
    "--max-ttft", type=click.FloatRange(0, min_open=True), callback=finite, help="Seconds to the first token, at most."
)
@click.option(
    "--min-speed", type=click.FloatRange(0), callback=finite, help="Tokens per second of one request, at least."
)
@click.option("--machine", "machine_name", help="Look at this machine only, for example 'RTX 4090'.")
@click.option("--formulas", is_flag=True, help="Take memory from formulas; do not ask the installed llama.cpp.")
@click.option("--region", default="USA", show_default=True, help="Country code for grams of CO2e.")
@click.option("--api", help="Compare with this API model's listed price: the requests a day above which owning pays.")
@click.option("--requests-per-day", type=click.FloatRange(0), callback=finite, help="Your load, to compare a day.")
@click.option(
    "--cached-share", type=click.FloatRange(0, 1), default=0.0, help="Share of the prompt the API has cached."
)
@click.option("--batch-discount", type=click.FloatRange(0, 1), default=0.0, help="What the API takes off for batches.")
@click.option("--usd-per-hour", type=click.FloatRange(0), callback=finite, help="What the machine costs an hour.")
@click.option("--usd-per-kwh", type=click.FloatRange(0), default=0.17, show_default=True, callback=finite)
@click.option("--limit", default=8, show_default=True, type=click.IntRange(1), help="Devices to print.")
@click.option("--list-devices", is_flag=True, help="Print the names of all devices and end.")
@click.option("--json", "as_json", is_flag=True, help="Print data as JSON on stdout.")
def command(model: str | None, limit: int, list_devices: bool, as_json: bool, **asked: Any) -> None:
    """Find what a model needs: the smallest devices that hold it and meet the targets, and what they cost.

    MODEL is a catalog name, a hub id or a GGUF file. Targets are held against the slow end of the predicted range.
    """
    from sizewise.cli.plan_costs import compare
    from sizewise.machines.devices import read_devices

    if list_devices:
        click.echo("\n".join(device.name for device in read_devices()))
        return
    if model is None:
        raise click.UsageError("name a model, for example: sizewise plan qwen3:8b")
    from sizewise.models.reading import read_model

    if asked["api"]:
        from sizewise.machines.prices import api_price

        api_price(asked["api"])  # an unknown name is refused before anything is worked out
    facts = read_model(model)
    candidate, workload = _question(facts, asked)
    asked["memory"], note = _ask(facts, candidate, asked)
    here = None if asked["machine_name"] else _judge(facts, candidate, workload, None, asked)
    rows = [_judge(facts, candidate, workload, machine, asked) for machine in _machines(asked)]
    meeting = sorted((row for row in rows if row["meets"]), key=lambda row: (row["total_memory_bytes"], row["machine"]))
    document = {
        "model": facts.name,
        "quantization": candidate.quantization or facts.quantization,
        "workload": {"prompt": workload.prompt_tokens, "answer": workload.output_tokens,
                     "context": workload.context_tokens, "concurrency": workload.concurrency},
        "memory_source": note,
        "here": here,
        "smallest": meeting[:limit],
        "cloud": _cloud(meeting, limit),
        "break_even": compare(meeting, workload, asked) if asked["api"] and meeting else None,
        "why_not": _nearest_miss(rows) if not meeting else None,
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        _print(document)
    if not meeting:
        raise SystemExit(4)


def _question(model: Model, asked: dict[str, Any]) -> tuple[Candidate, Workload]:
    from sizewise.records import Candidate, Settings, Workload

    quantization = asked["quantization"] or None
    if quantization is None and not model.tensor_bytes:
        quantization = "BF16" if asked["engine"] == "vllm" else "Q4_K_M"
    candidate = Candidate(
        name=model.name,
        model=model.name,
        runtime="vllm" if asked["engine"] == "vllm" else "llama-server",
        quantization=quantization,
        settings=Settings(context_tokens=asked["context"], concurrency=asked["concurrency"]),
    )
    workload = Workload(
        prompt_tokens=asked["prompt"],
        output_tokens=asked["answer"],
        context_tokens=asked["context"],
        concurrency=asked["concurrency"],
    )
    return candidate, workload


def _ask(model: Model, candidate: Candidate, asked: dict[str, Any]) -> tuple[MemoryParts | None, str]:
    """Return llama.cpp's own memory figures for one sequence, None where formulas have to do; and which it is."""
    from dataclasses import replace

    from sizewise.machines.engine_memory import asked_or_why
    from sizewise.prediction.predict import BY_THE_ENGINE, facts_of

    formula = f"formula for {asked['engine']}"
    if asked["formulas"] or asked["engine"] != "llama.cpp":
        return None, formula
    if asked["concurrency"] > 1:
        return None, f"{formula}; the engine is asked for one request at a time only"
    mix = candidate.quantization or model.quantization
    found, why = asked_or_why(model.architecture, mix, asked["context"])
    if found is None:
        return None, f"{formula}; llama.cpp was not asked: {why}"
    own = facts_of(model, candidate.quantization)
    return replace(found, weights=own.weight_bytes, repack=own.repack_bytes or found.repack), BY_THE_ENGINE


def _machines(asked: dict[str, Any]) -> list[Machine]:
    """Return the machines to look at: each device once, and twice, four and eight times where people build that."""
    from sizewise.errors import ConfigError
    from sizewise.machines.devices import planned_machine, read_devices

    if asked["machine_name"]:
        return [planned_machine(asked["machine_name"])]
    names = []
    for device in read_devices():
        if device.memory_bytes is None or device.bandwidth_bytes_per_s is None:
            continue
        names.append(device.name)
        if device.kind == "gpu" and device.memory_bytes >= 16 * 2**30:
            names += [f"{count}x {device.name}" for count in (2, 4, 8)]
    machines = []
    for name in names:
        try:
            machines.append(planned_machine(name))
        except ConfigError:
            continue
    return machines


def _judge(
    model: Model, candidate: Candidate, workload: Workload, machine: Machine | None, asked: dict[str, Any]
) -> dict[str, Any]:
    from sizewise.cli.plan_costs import ownership
    from sizewise.machines.prices import carbon_intensity
    from sizewise.prediction.energy import carbon_g
    from sizewise.prediction.predict import predict

    if machine is None:
        from sizewise.machines.detect import detect
        from sizewise.machines.stored import with_calibration

        machine = with_calibration(detect())
    devices = machine.devices[1:] or machine.devices
    owned = ownership(devices[0].name, len(devices), asked)
    found = predict(candidate, model, machine, workload, asked=asked["memory"], owned=owned)
    row: dict[str, Any] = {
        "machine": machine.name,
        "device": devices[0].name,
        "count": len(devices),
        "total_memory_bytes": sum(device.memory_bytes or 0 for device in devices),
    }
    missed = _missed(found, asked, has_gpu=any(device.kind != "cpu" for device in machine.devices))
    if missed:
        return row | {"meets": False, "why_not": missed}
    grams, region = carbon_intensity(asked["region"])
    energy = getattr(found, "energy_j_per_answer", None)
    return row | {
        "meets": True,
        **_numbers(found),
        "g_co2e_per_answer": carbon_g(energy, grams, region).value if energy else None,
        "bottleneck": getattr(getattr(found, "bottleneck", None), "value", None),
        "how": list(getattr(found, "assumptions", ())),
    }


def _missed(found: Prediction | Skipped, asked: dict[str, Any], *, has_gpu: bool) -> str:
    """Return why a machine does not do, an empty string when it does; the slow end of a range counts.

    Where there is a GPU, running a part of the model beside it does not count; without one the processor is the plan.
    """
    from sizewise.records import Skipped

    if isinstance(found, Skipped):
        return found.reason
    if has_gpu and any("processor" in note or "main memory" in note for note in found.assumptions):
        return "holds only a part of it; the rest would run on the processor"
    speed, ttft = found.decode_tokens_per_s, found.ttft_s
    if asked["min_speed"] and (speed is None or speed.low < asked["min_speed"]):
        return f"{speed.value:.3g} tok/s, at worst {speed.low:.3g}" if speed else "its speed is not known"
    if asked["max_ttft"] and (ttft is None or ttft.high > asked["max_ttft"]):
        return f"first token after {ttft.value:.2g} s, at worst {ttft.high:.2g}" if ttft else "its speed is not known"
    return ""


def _numbers(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    names = ("memory_bytes", "decode_tokens_per_s", "ttft_s", "answer_s", "load_s", "energy_j_per_answer",
             "cost_usd_per_1k_answers")  # fmt: skip
    values = {name: getattr(found, name) for name in names}
    return {name: asdict(value) if value is not None else None for name, value in values.items()}


def _cloud(meeting: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the cheapest cloud instances whose devices are among those that meet the targets."""
    from dataclasses import asdict

    from sizewise.machines.prices import cloud_offers

    good = {(row["device"], row["count"]): row for row in meeting}
    found = []
    for offer in cloud_offers():
        row = good.get((offer.device, offer.count))
        if row:
            found.append({**asdict(offer), "answer_s": row["answer_s"]})
    return found[:limit]


def _nearest_miss(rows: list[dict[str, Any]]) -> str:
    largest = max(rows, key=lambda row: row["total_memory_bytes"])
    return f"even {largest['machine']}: {largest['why_not']}"


def _line(row: dict[str, Any]) -> str:
    """Return memory, speed, first token, price and bottleneck of one machine."""
    from sizewise.units import format_bytes, format_seconds

    speed, ttft, cost = row["decode_tokens_per_s"], row["ttft_s"], row["cost_usd_per_1k_answers"]
    pace = f"{speed['value']:.3g} tok/s ({speed['low']:.2g}-{speed['high']:.2g})" if speed else "speed not known"
    first = f", first token {format_seconds(ttft['value'])}" if ttft else ""
    price = f", ${cost['value']:.2g} per 1K answers" if cost else ""
    memory = f"{format_bytes(row['memory_bytes']['value'])} of {format_bytes(row['total_memory_bytes'])}"
    return f"{memory}, {pace}{first}{price}; limit: {row['bottleneck']}"


def _print(document: dict[str, Any]) -> None:
    from sizewise.cli.plan_costs import lines

    shape = document["workload"]
    click.echo(
        f"{document['model']} {document['quantization'] or ''}: prompt {shape['prompt']}, answer {shape['answer']}, "
        f"context {shape['context']}, {shape['concurrency']} at a time"
    )
    here = document["here"]
    if here and here["meets"]:
        click.echo(f"this machine does: {_line(here)}")
    elif here:
        click.echo(f"this machine does not do: {here['why_not']}")
    click.echo(f"memory: {document['memory_source']}")
    for row in document["smallest"]:
        click.echo(f"  {row['machine']:24s} {_line(row)}")
    for offer in document["cloud"]:
        click.echo(
            f"  {offer['cloud']} {offer['instance']} ({offer['count']}x {offer['device']}): "
            f"${offer['usd_per_hour']:.2f} an hour in {offer['region']}, list price of {offer['date']}"
        )
    for line in lines(document["break_even"]):
        click.echo(f"  {line}")
    if document["why_not"]:
        click.echo(f"nothing in the catalog does it; {document['why_not']}")
    click.echo("next: sizewise fit --machine 'NAME' shows what else such a machine runs", err=True)
