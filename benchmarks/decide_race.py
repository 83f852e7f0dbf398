"""Calls, cost and wrong decisions of the race on real matrices, beside the notes' procedure and naive ones.

    python benchmarks/decide_race.py [--data ../shared/data/results] [--runs 2000] [--boundary]

Line-ups of 6, one per price sextile, delta 3 points; each run draws a line-up and an order of items. `--boundary` sets
delta 0.4 points under one cheaper model's true gap. Every matrix (*.parquet, *.csv) with costs of 6 models is used.
The race is run through `ask` and `tell`, in batches of 16. Bars: calls and cost not above the notes' procedure in
the same runs, wrong at most 1 %; boundary: calls at most 40 %, unsafe at most 0.2 %.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from decide_notes import Result, naive_means, notes_race, peeking
from sizewise.errors import SizewiseError
from sizewise.importers.reading import read_results
from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import Goal

LINE_UP = 6
ROOT = Path(__file__).resolve().parent.parent


def matrices(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return score matrix (models x items) and cost by name, for every usable file."""
    found = {}
    for file in sorted((*folder.glob("*.parquet"), *folder.glob("*.csv"))):
        if file.name == "models.csv" or "outchars" in file.name:
            continue
        try:
            evidence = read_results(file).evidence[0]
        except SizewiseError as error:
            print(f"{file.name}: left out ({error})")
            continue
        scores = np.array([evidence.scores[c.name] for c in evidence.contenders])
        whole = ~np.isnan(scores).any(axis=1)
        if whole.sum() >= LINE_UP and not evidence.cost_unit.startswith("place"):
            cost = np.array([c.cost for c in evidence.contenders])
            found[file.stem] = scores[whole], cost[whole]
        else:
            print(f"{file.name}: left out (fewer than {LINE_UP} models with all scores and a cost)")
    return found


def line_up(cost: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one model of each price sextile, cheapest first."""
    parts = np.array_split(np.argsort(cost, kind="stable"), LINE_UP)
    rows = np.array([rng.choice(part) for part in parts])
    return rows[np.argsort(cost[rows], kind="stable")]


def our_race(x: np.ndarray, cost: np.ndarray, delta: float, seed: int) -> Result:
    """Return the race's choice and reading, driven as a study drives it."""
    count, n = x.shape
    names = [f"m{m}" for m in range(count)]
    rows = {name: m for m, name in enumerate(names)}
    race = Race(
        [RaceCandidate(name=name, cost=float(c)) for name, c in zip(names, cost, strict=True)],
        [RaceItem(id=str(i)) for i in range(n)],
        Goal(margin=delta),
        seed,
    )
    scores = x.tolist()
    asked = np.zeros(count, dtype=np.int64)
    while keys := race.ask(16):
        for key in keys:
            asked[rows[key.candidate]] += 1
            race.tell(key, scores[rows[key.candidate]][int(key.sample)])
    chosen = race.state().chosen
    return Result(None if chosen is None else rows[chosen], asked)


def boundary_delta(mean: np.ndarray, rng: np.random.Generator) -> float | None:
    """Return a margin 0.4 points under the gap of one model cheaper than the best; None where there is none."""
    best = int(np.argmax(mean))
    gaps = mean[best] - mean[:best]
    gaps = gaps[(gaps > 0.009) & (gaps < 0.25)]
    return float(rng.choice(gaps)) - 0.004 if gaps.size else None


def main() -> int:
    """Run and print; 0 where the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("SIZEWISE_RESULTS", str(ROOT / "../shared/data/results"))
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--boundary", action="store_true")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"no folder {given.data}; give one with score matrices and models.csv: --data FOLDER")
        return 1
    data = matrices(given.data)
    if not data:
        print(f"no usable matrix in {given.data}")
        return 1
    rng = np.random.default_rng(given.seed)
    sums: dict[str, list[tuple[float, float, bool, bool]]] = {}
    by_file: dict[str, dict[str, list[float]]] = {}
    started, done = time.monotonic(), 0
    while done < given.runs:
        name = list(data)[done % len(data)]
        scores, cost = data[name]
        rows = line_up(cost, rng)
        x, c = scores[rows][:, rng.permutation(scores.shape[1])], cost[rows]
        mean = x.mean(axis=1)
        delta = boundary_delta(mean, rng) if given.boundary else 0.03
        if delta is None:
            continue
        done += 1
        for method, result in {
            "sizewise race": our_race(x, c, delta, done),
            "notes' procedure": notes_race(x, c, delta),
            "means of 100 items": naive_means(x, delta),
            "peeking, paired 95 %": peeking(x, delta),
        }.items():
            good = mean >= mean.max() - delta - 1e-9
            unsafe = result.chosen is None or not good[result.chosen]
            over = not unsafe and result.chosen != int(np.flatnonzero(good)[0])
            calls = float(result.read.sum()) / x.size
            sums.setdefault(method, []).append((calls, float(result.read @ c) / (x.shape[1] * c.sum()), unsafe, over))
            by_file.setdefault(name, {}).setdefault(method, []).append(calls)
    return report(sums, by_file, given.boundary, time.monotonic() - started)


def report(
    sums: dict[str, list[tuple[float, float, bool, bool]]],
    by_file: dict[str, dict[str, list[float]]],
    boundary: bool,
    seconds: float,
) -> int:
    """Print the table and the last line; return 0 where the bars hold."""
    print(f"{'method':24s} calls   cost    unsafe  overpay wrong")
    figures = {method: np.mean(np.array(rows, dtype=float), axis=0) for method, rows in sums.items()}
    for method, (calls, cost, unsafe, over) in figures.items():
        print(f"{method:24s} {calls:.3f}   {cost:.3f}   {unsafe:.4f}  {over:.4f}  {unsafe + over:.4f}")
    for name, methods in by_file.items():
        print(f"  {name}: calls " + ", ".join(f"{m} {np.mean(v):.3f}" for m, v in methods.items()))
    ours, notes = figures["sizewise race"], figures["notes' procedure"]
    runs = len(sums["sizewise race"])
    if boundary:
        holds = ours[0] <= 0.40 and ours[2] <= 0.002
        bar = "bar: calls <= 0.40, unsafe <= 0.002"
    else:
        holds = ours[0] <= notes[0] and ours[1] <= notes[1] and ours[2] + ours[3] <= 0.01
        bar = "bar: calls and cost <= the notes' in the same runs, wrong <= 0.010"
    print(
        f"{'holds' if holds else 'FAILS'}: calls {ours[0]:.3f} (notes {notes[0]:.3f}, ratio {ours[0] / notes[0]:.3f}), "
        f"cost {ours[1]:.3f} (notes {notes[1]:.3f}), unsafe {ours[2]:.4f}, wrong {ours[2] + ours[3]:.4f}, "
        f"{runs} runs in {seconds:.0f} s; {bar}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
