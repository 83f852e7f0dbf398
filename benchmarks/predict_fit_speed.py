"""Wall time and memory of `sizewise fit` over the whole catalog, every quantization, as a fresh process.

    python benchmarks/predict_fit_speed.py [--takes 5]

Reference in the same run: a Python process that imports click and prints a line (the floor of any command here), and
`llmfit list --json` where llmfit is installed. Exit code 0 when the fastest take is at most 0.5 s and 120 MB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

WALL_BAR_S, MEMORY_BAR = 0.5, 120e6


def run(command: list[str]) -> tuple[float, float, float]:
    """Return (wall seconds, processor seconds, peak bytes) of one fresh process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if child.returncode not in (0, 4):
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale


def main() -> int:
    """Time the commands, alternating."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=5)
    takes = parser.parse_args().takes
    script = Path(sys.executable).with_name("sizewise")
    commands = {
        "sizewise fit --json": [str(script), "fit", "--json"],
        "floor: python, click": [sys.executable, "-c", "import click; click.echo('x')"],
    }
    if shutil.which("llmfit"):
        commands["llmfit list --json"] = ["llmfit", "list", "--json"]
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(takes):
        for name, command in commands.items():
            results[name].append(run(command))
    for name, rows in results.items():
        wall, busy, peak = (min(row[index] for row in rows) for index in range(3))
        print(f"{name:24s} wall {wall:.3f} s, processor {busy:.3f} s, peak {peak / 1e6:.0f} MB")
    wall, _, peak = (min(row[index] for row in results["sizewise fit --json"]) for index in range(3))
    print(f"sizewise fit: {wall:.2f} s (bar {WALL_BAR_S}), {peak / 1e6:.0f} MB (bar {MEMORY_BAR / 1e6:.0f})")
    return 0 if wall <= WALL_BAR_S and peak <= MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
