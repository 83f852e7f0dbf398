"""Held-out errors of the decode law: every device's rows predicted by a fit that never saw the device.

    python benchmarks/predict_llamabench.py [--data ../shared/data]

Rows: the llama-bench table of Apple chips, gpt-oss on eight graphics cards, and community rows of one GPU and a dense
model (rows that beat the memory or do not fit are filtered out first; engines are uncontrolled). References in the
same run, restated from their sources: llmfit (bandwidth / weight bytes x 0.55) and whichllm (bandwidth / bytes x an
efficiency by quantization, 0.35 to 0.56). Exit code 0 when Apple <= 5 %, other cards <= 12 %, community <= 16 % at
the median, and the community's 90 % ranges, made without the device, hold 85 to 95 % of its rows.
"""

# ruff: noqa: E501 (table rows)

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from predict_rows import DATA, apple_rows, community_rows, gpt_oss_rows
from sizewise.prediction.fitting import SpeedRow, fit_decode, leave_one_out, residual_range, summary

LLMFIT_EFFICIENCY = 0.55
WHICHLLM_EFFICIENCY = {"q4_k_m": 0.50, "q4_0": 0.50, "q8_0": 0.56, "q6_k": 0.53, "q5_k_m": 0.52, "4bit": 0.50, "8bit": 0.56,
                       "q3_k_m": 0.45}  # fmt: skip
"""whichllm's efficiency by quantization, 0.35 for the smallest to 0.56 for Q8_0 (its range; steps between are ours)."""
APPLE_BAR, CARD_BAR, COMMUNITY_BAR = 0.05, 0.12, 0.16


def llmfit(row: SpeedRow) -> float:
    """Return tokens per second by llmfit's formula for a dense model that is all on one GPU."""
    return row.bandwidth / row.read_bytes * LLMFIT_EFFICIENCY


def whichllm(row: SpeedRow) -> float:
    """Return tokens per second by whichllm's formula."""
    mix = next((name for name in WHICHLLM_EFFICIENCY if f" {name} " in row.label), "q4_k_m")
    return row.bandwidth / row.read_bytes * WHICHLLM_EFFICIENCY[mix]


def nested_coverage(rows: list[SpeedRow], community: list[SpeedRow]) -> tuple[float, dict[str, tuple[int, int]]]:
    """Return the share of community rows inside ranges that were made without their device, and counts by device."""
    by_device = {}
    for device in sorted({row.device for row in community}):
        others = [row for row in rows if row.device != device]
        pairs, fit = leave_one_out(others), fit_decode(others)
        own = [row for row in community if row.device == device]
        inside = 0
        for row in own:
            low, high = residual_range(pairs, row.device_class)
            predicted = 1 / fit.seconds(row)
            inside += predicted * low <= row.tokens_per_s <= predicted * high
        by_device[device] = (inside, len(own))
    return sum(a for a, _ in by_device.values()) / len(community), by_device


def main() -> int:
    """Print errors by set and device, references, coverage, and compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    if not (data / "speed").exists():
        print(f"no measurements at {data}/speed; pass --data FOLDER")
        return 1
    apple, cards, community = apple_rows(data), gpt_oss_rows(data), community_rows(data)
    rows = [*apple, *cards, *community]
    held = {id(row): ratio for row, ratio in leave_one_out(rows)}
    sets = {
        "Apple chips, llama-bench": apple,
        "other cards, llama-bench gpt-oss": [row for row in cards if row.device_class != "Apple"],
        "community, one GPU, dense": community,
    }
    medians = {}
    print(
        f"{'rows':34s} {'n':>4s} {'median':>7s} {'90 %':>6s} {'in 25 %':>8s} {'llmfit':>7s} {'whichllm':>9s} {'roofline':>9s}"
    )
    for name, own in sets.items():
        got = summary([held[id(row)] for row in own])
        others = [summary([formula(row) / row.tokens_per_s for row in own])["median_error"]
                  for formula in (llmfit, whichllm, lambda row: row.bandwidth / row.read_bytes)]  # fmt: skip
        medians[name] = got["median_error"]
        print(f"{name:34s} {got['rows']:4d} {got['median_error']:7.1%} {got['p90_error']:6.1%} {got['within_25_percent']:8.1%} "
              f"{others[0]:7.1%} {others[1]:9.1%} {others[2]:9.1%}")  # fmt: skip
    share, by_device = nested_coverage(rows, community)
    print("inside the 90 % range, by device left out: " + ", ".join(f"{d} {a}/{n}" for d, (a, n) in by_device.items()))
    a, b, c = medians.values()
    good = a <= APPLE_BAR and b <= CARD_BAR and c <= COMMUNITY_BAR and 0.85 <= share <= 0.95
    print(f"medians: Apple {a:.1%} (bar 5 %), cards {b:.1%} (bar 12 %), community {c:.1%} (bar 16 %), "
          f"coverage {share:.1%} (bar 85-95 %)")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
