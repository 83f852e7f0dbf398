"""Does `sizewise decide` say the right thing of two real matrices, in one command each?

    python benchmarks/decide_matrices.py [--data tests/importers/data]

Runs the command on `zeroeval_crux` and `routellm_pairs` and compares its choice, certificate, cost per right answer and
best cascade with plain loops over the raw columns, written here without the package.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyarrow.parquet import read_table

ROOT = Path(__file__).resolve().parent.parent
MARGIN = 0.03


def by_hand(scores: dict[str, list[float]], cost: dict[str, float]) -> dict[str, Any]:
    """Return choice, cost per right answer and best cascade by plain arithmetic."""
    mean = {n: sum(v) / len(v) for n, v in scores.items()}
    best = max(mean.values())
    chosen = min((n for n in mean if mean[n] >= best - MARGIN - 1e-9), key=lambda n: cost[n])
    cascade, least = ("", ""), float("inf")
    for small in scores:
        for large in scores:
            if cost[small] >= cost[large]:
                continue
            right = sum(s or b for s, b in zip(scores[small], scores[large], strict=True))
            spent = len(scores[small]) * cost[small] + scores[small].count(0.0) * cost[large]
            if right / len(scores[small]) >= best - MARGIN - 1e-9 and spent / right < least:
                cascade, least = (small, large), spent / right
    return {"chosen": chosen, "each": cost[chosen] / mean[chosen], "cascade": cascade, "cascade_each": least}


def crux(folder: Path) -> tuple[Path, list[str], dict[str, Any]]:
    """Return file, options and expectation of the CRUX matrix, priced by `models.csv`."""
    file = folder / "zeroeval_crux_correct.parquet"
    columns = read_table(file).to_pydict()
    with (folder / "models.csv").open() as table:
        rows = [r for r in csv.DictReader(table) if r["dataset"] == "zeroeval_crux" and r["mean_usd_per_call"]]
    cost = {r["model"]: float(r["mean_usd_per_call"]) for r in rows}
    scores = {n: [float(v) for v in columns[n]] for n in columns if n in cost}
    return file, [], by_hand(scores, cost)


def routellm(folder: Path) -> tuple[Path, list[str], dict[str, Any]]:
    """Return file, options and expectation of the RouteLLM pair, priced in USD per million output tokens."""
    file = folder / "routellm_pairs.parquet"
    columns = read_table(file).to_pydict()
    cost = {"mixtral_8x7b": 0.6, "gpt4_1106": 30.0}
    scores = {n: [float(v) for v in columns[n]] for n in cost}
    return file, [x for n, c in cost.items() for x in ("--cost", f"{n}={c}")], by_hand(scores, cost)


def main() -> int:
    """Run and print; 0 where everything agrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "tests/importers/data")
    folder = parser.parse_args().data
    if not (folder / "zeroeval_crux_correct.parquet").is_file():
        print(f"no matrices in {folder}; give the folder that holds them: --data FOLDER")
        return 1
    wrong = 0
    for file, options, expected in (crux(folder), routellm(folder)):
        command = [str(Path(sys.executable).parent / "sizewise"), "decide", str(file), "--json", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        verdict = json.loads(done.stdout)["verdicts"][0]
        each = next(s for s in verdict["standings"] if s["candidate"] == verdict["chosen"])["cost_per_success"]["value"]
        cascade = verdict["cascade"]
        checks = {
            "exit code 0": done.returncode == 0,
            f"chosen {verdict['chosen']}": verdict["chosen"] == expected["chosen"],
            "certificate on these items, and for future ones": "exact" in verdict["certificate"]
            and "For future items" in verdict["certificate"],
            f"cost per right answer {each:.4g}": abs(each / expected["each"] - 1) < 1e-9,
            f"cascade {cascade['small']} then {cascade['large']}": (cascade["small"], cascade["large"])
            == expected["cascade"],
            f"its cost per right answer {cascade['cost_per_success']['value']:.4g}": abs(
                cascade["cost_per_success"]["value"] / expected["cascade_each"] - 1
            )
            < 1e-9,
        }
        print(file.name)
        for words, right in checks.items():
            print(f"  {'right' if right else 'WRONG'}: {words}")
            wrong += not right
    print(f"{'holds' if not wrong else 'FAILS'}: {wrong} wrong, bar 0")
    return 0 if not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
