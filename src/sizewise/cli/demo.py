"""`sizewise demo`: the whole path on the shipped models."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sizewise.cli.output import json_option, store_option, talk
from sizewise.records import Candidate, Goal, Study, TaskRef

TASKS = (("language", 2), ("copy", None), ("recall", None), ("add2", None))
"""Skill and level: naming a made-up language, copying, recalling facts learnt in training, adding two-digit numbers."""
SAMPLES = 300
MARGIN = 0.1
YOUR_TURN = "sizewise run --task YOURS.jsonl --model SMALL.gguf --model LARGE.gguf"


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("sizewise-report.html"),
    show_default=True,
    help="Where the HTML page goes.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Order of the items.")
@store_option
@json_option
def command(out: Path, seed: int, store_path: Path | None, as_json: bool) -> None:
    """Run the whole path on the shipped models: predict, measure, race, decide, report.

    Real models in a real llama.cpp on this machine, nothing downloaded. Ctrl-C is safe: the same command goes on.
    """
    from sizewise.cli.running import run_and_print
    from sizewise.store.database import default_path

    if not as_json:
        talk().print("Which size does each of these tasks need? Asking the shipped models.\n")
    study = demo_study(seed)
    place = store_path or default_path()
    sys.exit(run_and_print(study, store_path=place, page=out, as_json=as_json, next_step=YOUR_TURN))


def demo_study(seed: int = 0) -> Study:
    """Return the demonstration: skills of different difficulty, all sizes of the shipped family."""
    from sizewise.ladder.family import base

    return Study(
        name="Which size does each task need?",
        tasks=tuple(TaskRef(ref=f"skill:{name}", samples=SAMPLES, level=level) for name, level in TASKS),
        candidates=tuple(Candidate(name=model.name, model=model.name) for model in base()),
        goal=Goal(margin=MARGIN),
        seed=seed,
    )
