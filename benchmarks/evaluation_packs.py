"""Packs: three solvers on every pack and level, and which packs tell the shipped sizes apart.

Bars: oracle 100 %, wrong 0 %, format-breaking 0 % and never valid; at least three packs separate the ladder's sizes
and at least one does not. "Separates": by exact paired sign tests, Bonferroni-corrected over all pairs of a pack, some
larger size beats some smaller one at 5 %. "Does not": no pair differs so, and every size scores within 15 points of
every other on the same items. Code runs in the sandbox (or as a plain process with --unsafe-local).
Undertrained sizes are left out.
Run: python benchmarks/evaluation_packs.py [--samples 20] [--code-samples 6] [--ladder-samples 40] [--only PACK]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from itertools import combinations
from math import comb

from sizewise.ladder import family
from sizewise.records import Message, Request, Settings, TaskRef
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task
from sizewise.tasks.packs.base import SOLVERS, solve
from sizewise.tasks.packs.catalogue import PACKS

SEED = 20261122
ALPHA = 0.05
FLAT = 0.15
SEPARATING, FLAT_ONES = 3, 1


def solvers(pack: str, level: int, count: int, unsafe_local: bool) -> dict[str, tuple[float, float]]:
    """Return solver -> (mean score, share valid)."""
    options = {"unsafe_local": True} if unsafe_local and pack == "code" else {}
    task = load_task(TaskRef(ref=pack, level=level, samples=count, seed=SEED, options=options))
    found = {}
    for name in SOLVERS:
        scores = [task.score(sample, solve(sample, name)) for sample in task.samples]
        found[name] = (sum(s.value for s in scores) / len(scores), sum(s.valid for s in scores) / len(scores))
    return found


async def ladder_scores(names: list[str], tasks: dict[str, Task]) -> dict[str, dict[str, list[float]]]:
    """Return pack -> model -> scores, in the order of the samples."""
    found: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for name in names:
        settings = Settings(chat=False, max_output_tokens=24, context_tokens=512, stop=("\n",))
        runtime = EmbeddedRuntime(family.path(name), settings)
        await runtime.start()
        try:
            for pack, task in tasks.items():
                values = []
                for sample in task.samples:
                    message = Message(role="user", content=sample.prompt)
                    answer = await runtime.generate(Request(messages=(message,), settings=settings, model=name))
                    if answer.error:
                        raise SystemExit(f"{name} on {sample.id}: {answer.error}")
                    values.append(task.score(sample, answer).value)
                found[pack][name] = values
        finally:
            await runtime.close()
    return found


def sign_p(better: int, worse: int) -> float:
    """Return the one-sided exact sign test: chance of so many wins among the items that differ."""
    n = better + worse
    return sum(comb(n, k) for k in range(better, n + 1)) / 2**n if n else 1.0


def separates(scores: dict[str, list[float]]) -> bool:
    """Return whether some larger size is better than some smaller one (Bonferroni over all pairs)."""
    values = []
    for small, large in combinations(scores, 2):
        pairs = list(zip(scores[small], scores[large], strict=True))
        values.append(sign_p(sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)))
    return min(values) * len(values) <= ALPHA


def spread(scores: dict[str, list[float]]) -> float:
    """Return the distance between the best and the worst mean."""
    means = [sum(values) / len(values) for values in scores.values()]
    return max(means) - min(means)


def main() -> int:
    """Print both tables; return 0 where all bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--code-samples", type=int, default=6)
    parser.add_argument("--ladder-samples", type=int, default=40)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--unsafe-local", action="store_true")
    args = parser.parse_args()
    wrong_ones = 0
    print("pack          level  oracle          wrong           format")
    for pack in args.only or PACKS:
        for level in range(5):
            count = args.code_samples if pack == "code" and level else args.samples
            found = solvers(pack, level, count, args.unsafe_local)
            good = found["oracle"] == (1.0, 1.0) and found["wrong"] == (0.0, 1.0) and found["format"] == (0.0, 0.0)
            wrong_ones += not good
            cells = "  ".join(f"{value:4.2f} valid {valid:4.2f}" for value, valid in found.values())
            print(f"{pack:13} {level}      {cells}  {'' if good else 'NOT MET'}", flush=True)
    models = [m for m in family.models() if m.kind == "base" and m.quantization == "F16" and m.note != "preliminary"]
    models.sort(key=lambda model: model.parameters)
    tasks = {
        pack: load_task(TaskRef(ref=pack, level=0, samples=args.ladder_samples, seed=SEED))
        for pack in args.only or PACKS
    }
    scores = asyncio.run(ladder_scores([model.name for model in models], tasks))
    print("\npack (level 0)  " + "  ".join(f"{model.name:>12}" for model in models) + "  separates")
    separating, flat = [], []
    for pack, by_model in scores.items():
        apart, width = separates(by_model), spread(by_model)
        separating += [pack] if apart else []
        flat += [pack] if width <= FLAT and not apart else []
        cells = "  ".join(f"{sum(values) / len(values):12.3f}" for values in by_model.values())
        print(f"{pack:14}  {cells}  {'yes' if apart else 'no'}{', flat' if pack in flat else ''}")
    good = wrong_ones == 0 and len(separating) >= SEPARATING and len(flat) >= FLAT_ONES
    print(
        f"{wrong_ones} cells off, bar 0; {len(separating)} tasks separate the sizes, bar {SEPARATING}; "
        f"{len(flat)} do not ({', '.join(flat) or 'none'}), bar {FLAT_ONES}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
