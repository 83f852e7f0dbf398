"""How fast the command line answers, what it loads, and how much disk an install takes.

Reference measured in the same run: the bare interpreter (`python -c pass`). Bars: `sizewise --help` 0.25 s,
`import sizewise` 0.15 s (medians), no numpy, scipy, torch, aiohttp or llama.cpp binding loaded by `--help`, and the
core with the embedded runtime at most 400 MB installed.

    python benchmarks/report_startup.py [--runs 15] [--skip-install]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("numpy", "scipy", "torch", "aiohttp", "xllamacpp", "rich", "jinja2")
HELP = "import sys; sys.argv = ['sizewise', '--help']; from sizewise.cli import main; main()"
LOADED = f"""
import sys
sys.argv = ['sizewise', '--help']
from sizewise.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def median_s(code: str, runs: int) -> float:
    """Return the median wall time of a fresh interpreter that runs `code`, after one warm-up."""
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def installed_mb() -> float:
    """Return the size of a fresh environment with only sizewise in it, less the empty environment's."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        empty = size_mb(environment)
        python = environment / "bin" / "python"
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--no-compile", str(ROOT)],
            check=True, stderr=subprocess.DEVNULL, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
        return size_mb(environment) - empty


def size_mb(folder: Path) -> float:
    """Return megabytes of disk under a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def main() -> int:
    """Print the table and the figure; return 0 where every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--skip-install", action="store_true", help="leave the installed size out (it takes a minute)")
    options = parser.parse_args()
    bare = median_s("pass", options.runs)
    rows = {
        "bare interpreter": (bare, None),
        "import sizewise": (median_s("import sizewise", options.runs), 0.15),
        "sizewise --help": (median_s(HELP, options.runs), 0.25),
    }
    print(f"{'what':20} {'median s':>9} {'x bare':>7} {'bar s':>6}")
    for name, (seconds, bar) in rows.items():
        print(f"{name:20} {seconds:9.3f} {seconds / bare:7.1f} {bar or '':>6}")
    told = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    loaded = told.stderr.strip().splitlines()[-1]
    print(f"heavy modules loaded by --help: {loaded}")
    holds = all(bar is None or seconds <= bar for seconds, bar in rows.values()) and loaded == "[]"
    size = "not measured (--skip-install)"
    if not options.skip_install:
        megabytes = installed_mb()
        size, holds = f"{megabytes:.0f} MB (bar 400)", holds and megabytes <= 400
    seconds = rows["sizewise --help"][0]
    print(f"--help {seconds:.3f} s (bar 0.25), import {rows['import sizewise'][0]:.3f} s (bar 0.15), installed {size}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
