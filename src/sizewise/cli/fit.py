"""`sizewise fit`: which models run on this machine for this workload, how well, and why the others do not."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import click

from sizewise.cli.fit_checks import MOST_TOKENS, finite

if TYPE_CHECKING:
    from sizewise.prediction.ranking import Demand, Option
    from sizewise.records import Machine, Prediction

UNKNOWN_QUALITY = "quality: not known for your task, measure it: "


@click.command(name="fit")
@click.argument("models", nargs=-1)
@click.option("--machine", "machine_name", help='Plan for another machine: "RTX 4090", "2x RTX 3090", "M4 Pro 48GB".')
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
@click.option("--kv-type", default="f16", show_default=True, help="Type of the cache: f16, q8_0, q4_0 ...")
@click.option("--engine", type=click.Choice(["llama.cpp", "vllm"]), default="llama.cpp", show_default=True)
@click.option("--cpu", is_flag=True, help="Leave GPUs out.")
@click.option(
    "--min-speed",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0),
    callback=finite,
    help="Tokens per second below which a model comes later.",
)
@click.option("--evidence", help="Order by published results of this test; few models have any.")
@click.option("--limit", default=15, show_default=True, type=click.IntRange(1), help="Rows to print.")
@click.option(
    "--usd-per-hour",
    type=click.FloatRange(0),
    callback=finite,
    help="What the machine costs an hour; adds the cost of 1,000 answers.",
)
@click.option("--all", "show_all", is_flag=True, help="Show what does not fit too, with the reason.")
@click.option("--json", "as_json", is_flag=True, help="Print data as JSON on stdout.")
def command(models: tuple[str, ...], limit: int, show_all: bool, as_json: bool, **asked: Any) -> None:
    """Rank what runs here: every catalog model in every common quantization, with memory, speed and cost.

    MODELS are parts of names, for example `qwen3 gemma-3`; without them the whole catalog is looked at. Quality is
    never derived from size: where no published result is known, the table says how to measure it.
    """
    gc.disable()  # thousands of small records that live to the end of this short process
    try:
        _fit(models, limit, show_all, as_json, asked)
    finally:
        gc.enable()


def _fit(models: tuple[str, ...], limit: int, show_all: bool, as_json: bool, asked: dict[str, Any]) -> None:
    from sizewise.prediction.catalog_facts import entries
    from sizewise.prediction.ranking import judge_shapes, one_of_each_shape, rank, starting_set

    machine, demand = _machine(asked), _demand(asked)
    chosen = [entry for entry in entries() if not models or any(part.lower() in entry.name.lower() for part in models)]
    if not chosen:
        raise click.ClickException(f"no catalog model matches {' '.join(models)}; see: sizewise models")
    judged = judge_shapes(machine, demand, frozenset(entry.shape for entry in chosen) if models else None)
    options = rank(chosen, judged, demand, evidence=asked["evidence"])
    fitting = [option for option in options if option.fits]
    first = [] if asked["evidence"] or models else starting_set(fitting)
    rest = [option for option in one_of_each_shape(options if show_all or models else fitting) if option not in first]
    shown = [*first, *rest][:limit]
    rows = [_row(option, machine, demand, asked) for option in shown]
    if as_json:
        _print_json(machine, demand, rows, options, fitting)
    else:
        _print_text(machine, demand, rows, options, fitting)
    if not fitting:
        raise SystemExit(4)


def _machine(asked: dict[str, Any]) -> Machine:
    if asked["machine_name"]:
        from sizewise.machines.devices import planned_machine

        return planned_machine(asked["machine_name"])
    from sizewise.machines.detect import detect
    from sizewise.machines.stored import with_calibration

    return with_calibration(detect())


def _demand(asked: dict[str, Any]) -> Demand:
    from sizewise.errors import ConfigError
    from sizewise.models.cache import CACHE_TYPES
    from sizewise.prediction.placement import Plan
    from sizewise.prediction.ranking import Demand
    from sizewise.records import Workload

    if asked["kv_type"] not in CACHE_TYPES:
        raise ConfigError(f"unknown cache type {asked['kv_type']!r}; expected one of {', '.join(CACHE_TYPES)}")
    needed = asked["prompt"] + asked["answer"]
    if needed > asked["context"]:
        raise ConfigError(
            f"prompt and answer are {needed} tokens, the context {asked['context']}; pass --context {needed}"
        )
    plan = Plan(
        engine=asked["engine"],
        context_tokens=asked["context"],
        sequences=asked["concurrency"],
        kv_type=asked["kv_type"],
        use_gpu=not asked["cpu"],
    )
    workload = Workload(
        prompt_tokens=asked["prompt"],
        output_tokens=asked["answer"],
        context_tokens=asked["context"],
        concurrency=asked["concurrency"],
    )
    return Demand(workload=workload, plan=plan, min_tokens_per_s=asked["min_speed"])


def _row(option: Option, machine: Machine, demand: Demand, asked: dict[str, Any]) -> dict[str, Any]:
    """Return one line of the table as data; estimates are objects with value, low, high, source, detail."""
    from sizewise.prediction.cost import Ownership
    from sizewise.prediction.launch import launch_command, measure_command
    from sizewise.prediction.predict import describe
    from sizewise.records import Candidate

    entry, judged = option.entry, option.judged
    row: dict[str, Any] = {
        "model": entry.name,
        "quantization": judged.mix,
        "fits": option.fits,
        "fast_enough": option.fast_enough,
        "context_tokens": entry.context_tokens,
        "licence": entry.licence,
        "published": dict(entry.scores),
    }
    if judged.placement is None:
        return row | {"why_not": judged.why_not, "missing_bytes": judged.missing_bytes}
    price = asked["usd_per_hour"]
    prediction = describe(
        Candidate(name=entry.name, model=entry.name, quantization=judged.mix),
        judged.facts,
        machine,
        judged.placement,
        demand.plan,
        demand.workload,
        owned=Ownership(usd_per_hour=price, detail=f"${price} an hour") if price is not None else None,
    )
    free = sum(device.memory_free_bytes or 0 for device, _ in judged.placement.needs)
    return row | {
        "placement": judged.placement.kind,
        "headroom_bytes": free - sum(need for _, need in judged.placement.needs),
        **_estimates(prediction),
        "bottleneck": prediction.bottleneck.value,
        "assumptions": list(prediction.assumptions),
        "command": launch_command(entry.name, judged.mix, judged.facts.shape, judged.placement, demand.plan),
        "quality": UNKNOWN_QUALITY + measure_command(entry.name, judged.mix, demand.plan),
    }


def _estimates(prediction: Prediction) -> dict[str, Any]:
    from dataclasses import asdict

    names = (
        "memory_bytes", "decode_tokens_per_s", "prefill_tokens_per_s", "ttft_s", "answer_s", "load_s",
        "energy_j_per_answer", "cost_usd_per_1k_answers",
    )  # fmt: skip
    found = {name: getattr(prediction, name) for name in names}
    return {name: asdict(value) if value is not None else None for name, value in found.items()}


def _print_json(
    machine: Machine, demand: Demand, rows: list[dict[str, Any]], options: list[Option], fitting: list[Option]
) -> None:
    from dataclasses import asdict

    from sizewise.prediction.ranking import starting_set

    start = [{"model": o.entry.name, "quantization": o.judged.mix} for o in starting_set(fitting)]
    document = {
        "machine": asdict(machine),
        "workload": asdict(demand.workload),
        "models": len(options),
        "fitting": len(fitting),
        "start_with": start,
        "rows": rows,
    }
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))


def _print_text(
    machine: Machine, demand: Demand, rows: list[dict[str, Any]], options: list[Option], fitting: list[Option]
) -> None:
    from sizewise.cli.fit_output import machine_lines, table_lines
    from sizewise.prediction.ranking import starting_set

    for line in machine_lines(machine):
        click.echo(line, err=True)
    shape = demand.workload
    click.echo(
        f"{len(fitting)} of {len(options)} models fit: prompt {shape.prompt_tokens}, answer {shape.output_tokens}, "
        f"context {shape.context_tokens}, {shape.concurrency} at a time",
        err=True,
    )
    for line in table_lines(rows):
        click.echo(line)
    start = starting_set(fitting)
    if start:
        names = ", then ".join(f"{option.entry.name} {option.judged.mix}" for option in start)
        click.echo(f"start with: {names}")
    first = next((row for row in rows if row["fits"]), None)
    if first:
        click.echo(f"runs it: {first['command']}")
        click.echo(first["quality"], err=True)
