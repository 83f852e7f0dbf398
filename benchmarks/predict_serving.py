"""Held-out errors of the serving laws on published runs: models left out, then systems left out.

    python benchmarks/predict_serving.py [--data ../shared/data]

Reference in the same run: the bare roofline (bytes / bandwidth, or arithmetic, whichever is longer) without fitted
factors. Exit code 0 when TPOT errs at most 15 % and TTFT at most 40 % at the median in both, and ranges hold.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from predict_rows import DATA
from predict_serving_rows import serving_rows
from sizewise.prediction.fitting import quantile, summary
from sizewise.prediction.serving import tpot_features, ttft_features
from sizewise.prediction.serving_fit import ServingRow, serving_left_out

TPOT_BAR, TTFT_BAR = 0.15, 0.40


def roofline(row: ServingRow) -> tuple[float, float]:
    """Return (TPOT, TTFT) of the datasheet's peaks alone: no factor was fitted."""
    features = tpot_features(row.case)
    tpot = sum(features[:4])
    return tpot, 2.718281828 ** ttft_features(row.case, tpot)[1]


def coverage(rows: list[tuple[ServingRow, float, float]], group: str) -> tuple[float, float]:
    """Return the share of rows whose measured TPOT and TTFT lie in ranges made from the other groups' errors."""
    hits = [0, 0]
    for name in {getattr(row, group) for row, _, _ in rows}:
        others = [(step, first) for row, step, first in rows if getattr(row, group) != name]
        for which in (0, 1):
            ratios = [pair[which] for pair in others]
            low, high = quantile(ratios, 0.05), quantile(ratios, 0.95)
            own = [(step, first)[which] for row, step, first in rows if getattr(row, group) == name]
            hits[which] += sum(low <= ratio <= high for ratio in own)
    return hits[0] / len(rows), hits[1] / len(rows)


def main() -> int:
    """Print the errors and compare them with the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    if not (data / "speed/serving_measured.csv").exists():
        print(f"no measurements at {data}/speed; pass --data FOLDER")
        return 1
    rows = serving_rows(data)
    bare = [roofline(row) for row in rows]
    print("left out    what   rows  median   90 %  within 25 %  coverage of the 90 % range")
    for which, name in ((0, "TPOT"), (1, "TTFT")):
        ratios = [times[which] / (row.tpot_s, row.ttft_s)[which] for times, row in zip(bare, rows, strict=True)]
        own = summary(ratios)
        print(f"(roofline)  {name}  {own['rows']:5d}  {own['median_error']:6.1%} {own['p90_error']:6.1%}")
    worst = {"TPOT": 0.0, "TTFT": 0.0}
    for group in ("model", "system"):
        held = serving_left_out(rows, lambda row, group=group: str(getattr(row, group)))
        covered = coverage(held, group)
        for which, name in ((1, "TPOT"), (2, "TTFT")):
            own = summary([item[which] for item in held])
            worst[name] = max(worst[name], own["median_error"])
            print(f"{group:10s}  {name}  {own['rows']:5d}  {own['median_error']:6.1%} {own['p90_error']:6.1%} "
                  f"{own['within_25_percent']:8.1%}     {covered[which - 1]:.1%}")  # fmt: skip
        for one in sorted({str(getattr(row, group)) for row, _, _ in held}):
            part = [item for item in held if getattr(item[0], group) == one]
            step, first = summary([item[1] for item in part]), summary([item[2] for item in part])
            print(
                f"    {one:36s} {len(part):4d} rows: TPOT {step['median_error']:.1%}, TTFT {first['median_error']:.1%}"
            )
    held = worst["TPOT"] <= TPOT_BAR and worst["TTFT"] <= TTFT_BAR
    print(f"worst median: TPOT {worst['TPOT']:.1%} (bar {TPOT_BAR:.0%}), TTFT {worst['TTFT']:.1%} (bar {TTFT_BAR:.0%})")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
