"""From recipes to shipped files: train, round, measure, export, and write the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from sizewise.ladder import family, measure, reading
from sizewise.ladder.engine_arithmetic import to_f16
from sizewise.ladder.exporting import export
from sizewise.ladder.family import LadderModel
from sizewise.ladder.network import Llama
from sizewise.ladder.pruning import pruned
from sizewise.ladder.recipe import Recipe
from sizewise.ladder.shipping import file_name, manifest_row, write_manifest
from sizewise.ladder.train import train

Progress = Callable[[str], None]


def build_all(recipes: Sequence[Recipe], out: Path, threads: int, progress: Progress) -> None:
    """Train and publish recipes in order into `out`; what a recipe learns from must come before it or be there."""
    torch.set_num_threads(threads)
    for recipe in recipes:
        began = time.monotonic()
        model, cpu_s = build(recipe, out, progress)
        rows = publish(recipe, model, cpu_s, out)
        write_manifest(out, rows)
        mean = sum(rows[0].scores.values()) / len(rows[0].scores)
        progress(f"{recipe.name}: done in {cpu_s:.0f} CPU-s ({time.monotonic() - began:.0f} s), mean score {mean:.3f}")


def build(recipe: Recipe, out: Path, progress: Progress) -> tuple[Llama, float]:
    """Return the finished model (computing as its F16 file will) and its CPU seconds; goes on from a checkpoint."""
    checkpoint = out / "checkpoints" / f"{recipe.name}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    teacher = _member(recipe.teacher, out) if recipe.teacher else None
    start = pruned(_member(recipe.parent, out), recipe.shape) if recipe.parent else None
    model, cpu_s = train(recipe, checkpoint, progress, start=start, teacher=teacher)
    return to_f16(model), cpu_s


def _member(name: str, out: Path) -> Llama:
    """Return a finished member: the one just trained into `out`, else the shipped one."""
    own = out / f"{name}.gguf"
    return reading.load(own if own.exists() else family.path(name))


def publish(recipe: Recipe, model: Llama, cpu_s: float, out: Path) -> list[LadderModel]:
    """Write the model's files, one per quantization, and return their rows of the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    loss, scores = round(measure.loss(model, recipe), 5), measure.scores(model)
    rows = []
    for quantization in recipe.quantizations:
        file = out / f"{file_name(recipe.name, quantization)}.gguf"
        export(model, recipe, file, quantization, cpu_s)
        measured = (loss, scores) if quantization == "F16" else (None, None)
        rows.append(manifest_row(recipe, file, quantization, cpu_s, *measured))
    return rows
