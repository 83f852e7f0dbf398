"""The whole shipped family: bytes, CPU-hours, seeds, and the scores of every member, from its manifest.

    python benchmarks/scaling_ladder_family.py

The tables are Markdown, as the scorecard shows them. The bar: every file as it was made, at most 40 MB in all, at most
8 CPU-hours of training for all that ships, the compute grid included, on one thread each.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence

from sizewise.ladder import family
from sizewise.ladder.family import LadderModel

MOST_BYTES, MOST_HOURS = 40e6, 8.0
SHOWN = ("sort", "add2", "add3", "json", "lookup", "needle", "recall", "program")


def mean(model: LadderModel) -> float:
    """Return the mean score over all skills."""
    return sum(model.scores.values()) / len(model.scores)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for line in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(line)} |")
    print()


def plain(models: Sequence[LadderModel]) -> None:
    """Print the plain sizes, a row a skill, and their means by seed."""
    base = family.base()
    rows = [[skill, *(f"{m.scores[skill]:.2f}" for m in base)] for skill in base[0].scores]
    rows.append(["**mean**", *(f"{mean(m):.3f}" for m in base)])
    rows.append(["training tokens", *(f"{m.training_tokens / 1e6:g} M" for m in base)])
    rows.append(["tokens per parameter", *(f"{m.training_tokens / m.parameters:,.0f}" for m in base)])
    rows.append(["CPU-seconds", *(f"{m.training_cpu_s:.0f}" for m in base)])
    seeds = [[m for m in models if m.size == b.size and m.kind == "seed"] for b in base]
    rows.append(["means of other seeds", *(", ".join(f"{mean(m):.3f}" for m in found) or "-" for found in seeds)])
    table(["Skill", *(m.size for m in base)], rows)


def others(models: Sequence[LadderModel]) -> None:
    """Print every variant, a row each."""
    rows = [
        [
            m.name.removeprefix("ladder-"), m.kind, f"{m.parameters:,}", f"{m.active_parameters:,}",
            f"{m.training_tokens / 1e6:g} M", f"{m.training_cpu_s:.0f}", f"{mean(m):.3f}",
            *(f"{m.scores[skill]:.2f}" for skill in SHOWN),
        ]
        for m in models
        if m.kind not in ("base", "seed")
    ]  # fmt: skip
    table(["Model", "kind", "parameters", "active", "tokens", "CPU-s", "mean", *SHOWN], rows)


def main() -> int:
    files = family.models()
    models = [m for m in files if m.scores]
    plain(models)
    others(models)
    formats = {size: [m.quantization for m in files if m.size == size and m.kind in ("base", "wide")] for size in
               dict.fromkeys(m.size for m in files)}  # fmt: skip
    table(["Size", "formats"], [[size, ", ".join(found)] for size, found in formats.items() if len(found) > 1])
    with (family.folder() / "isoflop.csv").open(newline="") as file:
        grid = [float(row["cpu_s"]) for row in csv.DictReader(file)]
    hours = (sum(m.training_cpu_s for m in models) + sum(grid)) / 3600
    size = sum(m.bytes for m in files)
    seeds = sum(m.kind == "seed" for m in models)
    print(f"{len(models)} trained members ({seeds} further seeds), {len(grid)} runs of the grid, {len(files)} files")
    wrong = family.damaged()
    print(
        f"{size / 1e6:.1f} MB (bar: {MOST_BYTES / 1e6:.0f}); {hours:.2f} CPU-hours, the grid included "
        f"(bar: {MOST_HOURS:.0f}); {len(wrong)} files damaged (bar: 0)"
    )
    return int(bool(wrong) or size > MOST_BYTES or hours > MOST_HOURS)


if __name__ == "__main__":
    sys.exit(main())
