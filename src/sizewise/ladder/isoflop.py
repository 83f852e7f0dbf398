"""A grid of tiny runs, sizes by compute budgets, for fitting scaling laws: loss at the end of each run.

Every run has its own learning-rate fall and the ladder's recipe, but learns every byte of the texts: published laws
are about that loss, and the loss over answers alone falls in steps, a skill at a time. Compute is
6 x all parameters x tokens. Run: `sizewise ladder train --grid`.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from sizewise.ladder import measure
from sizewise.ladder.recipe import GRID, GRID_FLOPS, Recipe
from sizewise.ladder.train import train

FIELDS = ("name", "n_params_nonembedding", "n_params_total", "tokens", "loss", "seed", "budget_flops", "cpu_s")
LOSS_TOKENS = 150_000
"""Held-out text behind each loss."""


def runs(seed: int) -> list[tuple[Recipe, float]]:
    """Return the recipes of the grid with their budgets, cheapest budget first.

    >>> len(runs(1))
    20
    """
    found = []
    for budget in GRID_FLOPS:
        for size, learning_rate in GRID:
            shape = Recipe(name="", size=size, tokens=0).shape
            recipe = Recipe(
                name=f"isoflop-{size}",
                size=size,
                tokens=int(budget / (6 * shape.parameters())),
                seed=seed,
                batch_tokens=1536,
                learning_rate=learning_rate,
                whole_text=True,
            )
            found.append((recipe, budget))
    return found


def train_grid(out: Path, seed: int, threads: int, progress: Callable[[str], None]) -> None:
    """Train what the CSV does not hold yet, a row per run."""
    torch.set_num_threads(threads)
    done = set()
    if out.exists():
        with out.open(newline="") as file:
            done = {(row["name"], row["budget_flops"], row["seed"]) for row in csv.DictReader(file)}
    else:
        out.write_text(",".join(FIELDS) + "\n")
    for recipe, budget in runs(seed):
        if (recipe.name, f"{budget:g}", str(recipe.seed)) in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model, cpu_s = train(recipe, Path(folder) / "run.pt", progress)
        loss = measure.loss(model, recipe, tokens=LOSS_TOKENS)
        shape = recipe.shape
        row = [recipe.name, shape.non_embedding(), shape.parameters(), recipe.tokens]
        with out.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([*row, round(loss, 5), seed, f"{budget:g}", round(cpu_s, 1)])
        progress(f"{recipe.name}: {recipe.tokens} tokens, loss {loss:.4f}, {cpu_s:.0f} CPU-s")
