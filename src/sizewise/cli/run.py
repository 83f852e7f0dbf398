"""`sizewise run`: measure candidates on a task and name the smallest that is good enough."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from sizewise.cli.output import json_option, store_option
from sizewise.errors import ConfigError
from sizewise.records import Study, TaskRef

RUNTIMES = ("embedded", "llama-server", "ollama", "vllm", "transformers")


@click.command()
@click.argument("study_file", required=False, type=click.Path(path_type=Path))
@click.option("--task", "tasks", multiple=True, help="A pack, a skill, or a JSONL or CSV file; may be repeated.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A GGUF file, a shipped model (ladder-...), NAME@URL on a server, or NAME@RUNTIME (llama-server, ollama, "
    "vllm, transformers); may be repeated, cheapest first.",
)
@click.option("--samples", type=click.IntRange(1), help="Items per task  [default: all of a file, 100 of a pack]")
@click.option("--level", type=click.IntRange(0), help="Level of a pack, 0 is the easiest.")
@click.option("--scorer", help="How answers are judged: exact, normalized, numeric, ...  [default: by the data]")
@click.option("--margin", type=float, help="Loss of mean score that is still good enough  [default: 0.05]")
@click.option("--certificate", type=click.Choice(["items", "future"]), help="Rule on these items, or on future ones.")
@click.option("--order", type=click.Choice(["memory", "price", "time", "listed"]), help="What cheaper means.")
@click.option("--max-output-tokens", type=click.IntRange(1), help="Longest answer  [default: as the task says]")
@click.option("--context", type=click.IntRange(16), help="Context of engines that sizewise starts.")
@click.option("--concurrency", type=click.IntRange(1, 1024), help="Requests at a time  [default: 1]")
@click.option("--seed", type=int, help="Order of items and sampling  [default: 0]")
@click.option("--unsafe-local", is_flag=True, help="Run generated code without a sandbox, under resource limits alone.")
@click.option("--calls", type=click.IntRange(1), help="Stop after so many calls.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("sizewise-report.html"),
    show_default=True,
    help="Where the HTML page goes.",
)
@store_option
@json_option
def command(study_file: Path | None, out: Path, store_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Measure candidates on your task and name the smallest that is good enough.

    Either a study file (TOML), or --task and --model. Ctrl-C is safe: the same command goes on where it stopped.

    \b
    sizewise run study.toml
    sizewise run --task items.jsonl --model small.gguf --model large.gguf
    sizewise run --task structured --model qwen3@http://127.0.0.1:11434/v1 --model ladder-127k
    """
    from sizewise.cli.running import run_and_print
    from sizewise.config import check_study, read_study
    from sizewise.store.database import default_path

    study = read_study(study_file) if study_file else _from_flags(flags)
    study = _with_flags(study, flags)
    check_study(study)
    sys.exit(run_and_print(study, store_path=store_path or default_path(), page=out, as_json=as_json))


def _from_flags(flags: dict[str, Any]) -> Study:
    from sizewise.config import study_from

    if not flags["tasks"] or not flags["models"]:
        missing = "--task" if not flags["tasks"] else "--model"
        raise click.UsageError(
            f"no study file and no {missing}; expected a TOML file, or at least one --task and one --model. "
            "Try: sizewise demo"
        )
    document = {
        "name": ", ".join(Path(task).stem for task in flags["tasks"]),
        "task": [{"ref": task} for task in flags["tasks"]],
        "candidate": [_candidate(model) for model in flags["models"]],
    }
    if any("endpoint" in candidate for candidate in document["candidate"]):  # memory of servers is not ours to know
        document["order"] = "listed"
    return study_from(document, where="command line", folder=Path.cwd())


def _candidate(model: str) -> dict[str, Any]:
    """Return the table of NAME, NAME@RUNTIME or NAME@URL."""
    name, at, place = model.rpartition("@")
    if not at or (place not in RUNTIMES and not place.startswith(("http://", "https://"))):
        return {"model": model}
    if not name:
        raise ConfigError(f"--model {model!r}: no model before @; expected NAME@http://HOST:PORT/v1 or NAME@RUNTIME")
    if place in RUNTIMES:
        return {"name": f"{Path(name).stem}@{place}", "model": name, "runtime": place}
    return {"name": name, "model": name, "runtime": "openai", "endpoint": place}


def _unsafe(task: TaskRef) -> TaskRef:
    """Return a task that runs code with leave to do so without a sandbox; other tasks as they are."""
    if task.ref != "code" and task.scorer != "unit_tests":
        return task
    return dataclasses.replace(task, options={**task.options, "unsafe_local": True})


def _with_flags(study: Study, flags: dict[str, Any]) -> Study:
    """Return the study with every flag that was given laid over it."""

    def given(**names: str) -> dict[str, Any]:
        return {field: flags[flag] for field, flag in names.items() if flags[flag] is not None}

    tasks = tuple(
        dataclasses.replace(task, **given(samples="samples", level="level", scorer="scorer")) for task in study.tasks
    )
    if flags["unsafe_local"]:
        tasks = tuple(_unsafe(task) for task in tasks)
    settings = given(context_tokens="context", concurrency="concurrency")
    candidates = tuple(
        dataclasses.replace(
            candidate,
            **given(max_output_tokens="max_output_tokens"),
            settings=dataclasses.replace(candidate.settings, **settings),
        )
        for candidate in study.candidates
    )
    return dataclasses.replace(
        study,
        tasks=tasks,
        candidates=candidates,
        goal=dataclasses.replace(study.goal, **given(margin="margin", certificate="certificate")),
        budget=dataclasses.replace(study.budget, **given(calls="calls")),
        **given(seed="seed", order="order"),
    )
