"""Packs: three solvers on every pack and level, and which packs tell the shipped sizes apart and which do not.

    python benchmarks/evaluation_packs.py [--samples 20] [--ladder-samples 300] [--seed 4711] [--only PACK]

Solvers. Bars in every cell: oracle 100 % and valid, wrong 0 % and valid, format-breaking 0 % and never valid.

Sizes. Every pack at level 0 (what the shipped models were trained for), and the packs of `BEYOND` at level 1, which is
beyond them; plain F16 models of the ladder that are not marked preliminary. The rule, fixed before the run:

- "separates": a larger size beats a smaller one in an exact two-sided sign test over clusters of items, among
  neighbouring sizes and smallest against largest, Holm-corrected over all these pairs of all tasks together, at 5 %.
- "flat" is shown, not lack of power: for every two sizes, the Clopper-Pearson bound of the share of clusters where one
  is better, and of those where the other is, is at most 10 points (all bounds of a task at 95 % together). The gap of
  the two cannot be larger than these bounds. "flat from X": the same among the sizes from X up; told, not counted.
  A flat task is "at the ceiling" or "at the floor" where all sizes score above 90 or below 10 %.

Bars: at least three packs separate, at least one task is flat over all sizes. An earlier rule (no pair differs with 40
items, 15 points) was replaced by this one because it took low power for flatness.
Code runs in the sandbox (or as a plain process with --unsafe-local). About 4 minutes on a quiet core.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from dataclasses import replace
from itertools import combinations, pairwise
from math import comb

from scipy.stats import beta

from sizewise.evaluation.running import Arm, evaluate
from sizewise.ladder import family
from sizewise.records import Candidate, Settings, TaskRef
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.stats.multiplicity import holm
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task
from sizewise.tasks.packs.base import SOLVERS, solve
from sizewise.tasks.packs.catalogue import PACKS

BEYOND = ("multilingual", "retrieval", "bias")
"""Packs whose prompts at level 1 fit into the context of every shipped model."""
SEED = 4711
ALPHA = 0.05
FLAT = 0.10
SEPARATING, FLAT_ONES = 3, 1
CONTEXT_TOKENS = 512

Scores = dict[str, dict[str, float]]
"""Size -> cluster -> mean score."""


def solvers(pack: str, level: int, count: int, seed: int, *, unsafe_local: bool) -> dict[str, tuple[float, float]]:
    """Return solver -> (mean score, share valid)."""
    options = {"unsafe_local": True} if unsafe_local and pack == "code" else {}
    task = load_task(TaskRef(ref=pack, level=level, samples=count, seed=seed, options=options))
    found = {}
    for name in SOLVERS:
        scores = [task.score(sample, solve(sample, name)) for sample in task.samples]
        found[name] = (sum(s.value for s in scores) / len(scores), sum(s.valid for s in scores) / len(scores))
    return found


def check_solvers(packs: list[str], count: int, seed: int, *, unsafe_local: bool) -> int:
    """Print the table of solvers; return how many cells are off."""
    off = 0
    print("pack          level  oracle           wrong            format")
    for pack in packs:
        for level in range(5):
            found = solvers(pack, level, count, seed, unsafe_local=unsafe_local)
            good = found["oracle"] == (1.0, 1.0) and found["wrong"] == (0.0, 1.0) and found["format"] == (0.0, 0.0)
            off += not good
            cells = "  ".join(f"{value:4.2f} valid {valid:4.2f}" for value, valid in found.values())
            print(f"{pack:13} {level}      {cells}  {'' if good else 'NOT MET'}", flush=True)
    return off


async def ask(name: str, tasks: dict[str, Task]) -> dict[str, dict[str, float]]:
    """Return task -> cluster -> mean score of one size, its engine started once."""
    settings = Settings(chat=False, context_tokens=CONTEXT_TOKENS, concurrency=4, threads=1)
    runtime = EmbeddedRuntime(family.path(name), settings)
    engine = await runtime.start()
    found: dict[str, dict[str, float]] = {}
    try:
        for label, task in tasks.items():
            limited = replace(settings, max_output_tokens=task.max_output_tokens)
            arm = Arm(Candidate(name=name, model=name, settings=limited), runtime, engine, task)
            by_cluster: dict[str, list[float]] = defaultdict(list)
            async for trial in evaluate(arm, [(sample, 0) for sample in task.samples]):
                if trial.score is None:
                    raise SystemExit(f"{name} on {trial.key.sample}: {trial.error}")
                by_cluster[trial.cluster or trial.key.sample].append(trial.score.value)
            found[label] = {cluster: sum(values) / len(values) for cluster, values in by_cluster.items()}
    finally:
        await runtime.close()
    return found


def disagreements(small: dict[str, float], large: dict[str, float]) -> tuple[int, int, int]:
    """Return clusters where the larger is better, where the smaller is, and all."""
    better = sum(large[cluster] > small[cluster] for cluster in small)
    worse = sum(large[cluster] < small[cluster] for cluster in small)
    return better, worse, len(small)


def sign_p(better: int, worse: int) -> float:
    """Return the exact two-sided sign test among the clusters that differ."""
    n, most = better + worse, max(better, worse)
    return min(1.0, 2 * sum(comb(n, k) for k in range(most, n + 1)) / 2**n) if n else 1.0


def asked_pairs(sizes: list[str]) -> list[tuple[str, str]]:
    """Return neighbouring sizes, and smallest against largest."""
    return list(dict.fromkeys([*pairwise(sizes), (sizes[0], sizes[-1])]))


def told_apart(found: dict[str, Scores]) -> dict[str, list[tuple[str, str]]]:
    """Return task -> pairs of which the larger size is better, corrected over all tasks and pairs together."""
    asked = [(task, small, large) for task, scores in found.items() for small, large in asked_pairs(list(scores))]
    counts = [disagreements(found[task][small], found[task][large]) for task, small, large in asked]
    adjusted = holm([sign_p(better, worse) for better, worse, _ in counts])
    apart: dict[str, list[tuple[str, str]]] = {task: [] for task in found}
    for (task, small, large), (better, worse, _), p in zip(asked, counts, adjusted, strict=True):
        if p <= ALPHA and better > worse:
            apart[task].append((small, large))
    return apart


def widest(scores: Scores) -> float:
    """Return the largest bound, over every two sizes, of the share of clusters where one of them is better."""
    pairs = list(combinations(scores.values(), 2))
    level = 1 - ALPHA / (2 * len(pairs))
    bounds = []
    for small, large in pairs:
        better, worse, n = disagreements(small, large)
        bounds += [1.0 if k == n else float(beta.ppf(level, k + 1, n - k)) for k in (better, worse)]
    return max(bounds)


def flat_from(scores: Scores) -> str:
    """Return the smallest size from which on all are equal within the margin; empty where there are not two such."""
    sizes = list(scores)
    for first in range(len(sizes) - 1):
        if widest({size: scores[size] for size in sizes[first:]}) <= FLAT:
            return sizes[first]
    return ""


def compare_sizes(found: dict[str, Scores]) -> tuple[list[str], list[str]]:
    """Print the table of sizes; return the tasks that separate and those that are flat."""
    sizes = list(next(iter(found.values())))
    apart = told_apart(found)
    separating = [task for task in found if apart[task]]
    flat = []
    print(f"\n{'pack level':16} n clusters " + " ".join(f"{size.removeprefix('ladder-'):>6}" for size in sizes))
    for task, scores in found.items():
        means = [sum(values.values()) / len(values) for values in scores.values()]
        words = [f"{len(apart[task])} of {len(asked_pairs(sizes))} pairs told apart"]
        start = flat_from(scores)
        if start == sizes[0]:
            place = "at the floor" if max(means) < 0.1 else "at the ceiling" if min(means) > 0.9 else "in between"
            words.append(f"flat {place}: no size better than another on over {100 * widest(scores):.1f} % of clusters")
            flat.append(f"{task} {place}")
        elif start:
            words.append(f"flat from {start.removeprefix('ladder-')}")
        clusters = len(next(iter(scores.values())))
        print(f"{task:16} {clusters:10} " + " ".join(f"{mean:6.3f}" for mean in means) + "  " + "; ".join(words))
    return separating, flat


def main() -> int:
    """Print both tables; return 0 where all bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=20, help="items of each pack and level for the solvers")
    parser.add_argument("--ladder-samples", type=int, default=300, help="items of each pack for the sizes")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", action="append", default=[], choices=PACKS)
    parser.add_argument("--unsafe-local", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    packs = args.only or list(PACKS)
    off = check_solvers(packs, args.samples, args.seed, unsafe_local=args.unsafe_local)
    print(f"solvers took {time.monotonic() - began:.0f} s", flush=True)
    models = [m for m in family.models() if m.kind == "base" and m.quantization == "F16" and m.note != "preliminary"]
    models.sort(key=lambda model: model.parameters)
    asked = [(pack, level) for pack in packs for level in (0, 1) if not level or pack in BEYOND]
    tasks = {
        f"{pack} {level}": load_task(TaskRef(ref=pack, level=level, samples=args.ladder_samples, seed=args.seed))
        for pack, level in asked
    }
    found: dict[str, Scores] = {task: {} for task in tasks}
    for model in models:
        for task, by_cluster in asyncio.run(ask(model.name, tasks)).items():
            found[task][model.name] = by_cluster
    separating, flat = compare_sizes(found)
    print(
        f"packs: {off} of {5 * len(packs)} cells of solvers off (bar 0); {len(separating)} of {len(tasks)} tasks "
        f"separate the sizes (bar {SEPARATING}); shown flat: {', '.join(flat) or 'none'} (bar {FLAT_ONES}); "
        f"seed {args.seed}, {time.monotonic() - began:.0f} s"
    )
    return 0 if off == 0 and len(separating) >= SEPARATING and len(flat) >= FLAT_ONES else 1


if __name__ == "__main__":
    sys.exit(main())
