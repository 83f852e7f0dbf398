"""`sizewise check` from nothing to the page on the shipped models, timed.

    python benchmarks/scaling_claims.py [--samples 120]

The bar: at most 10 minutes on 2 cores; at least eight of ten claims measured, each with an interval; the raw answers
of each in the store; every claim on the page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sizewise.store.database import Store

_RUN = "from sizewise.cli import main; main()"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=120)
    samples = parser.parse_args().samples
    with tempfile.TemporaryDirectory() as folder:
        store, page = Path(folder) / "store.sqlite", Path(folder) / "check.html"
        begin = time.perf_counter()
        flags = ["--samples", str(samples), "--store", str(store), "--out", str(page)]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, "check", "--json", *flags],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - begin
        if done.returncode not in (0, 3):
            print(f"sizewise check ended with {done.returncode} (bar: 0, or 3 where a claim lacks its models)")
            return 1
        data, html = json.loads(done.stdout), page.read_text(encoding="utf-8")
        with Store(store) as opened:
            stored = sum(1 for _ in opened.trials(data["study"]))
        measured = shown = 0
        for claim in data["claims"]:
            found, estimate = claim["judgement"], claim["judgement"]["estimate"]
            with_interval = estimate is not None and found["trials"] > 0 and found["trials"] <= stored
            measured += with_interval
            shown += f"{claim['number']}. {claim['says']}" in html
            figure = (
                f"{estimate['value']:+.3f} ({estimate['low']:+.3f} to {estimate['high']:+.3f})" if estimate else "-"
            )
            name = f"{claim['number']:2d} {claim['key']:13s}"
            print(f"{name} {found['finding']:18s} {figure:28s} {found['trials']:6d} answers")
    good = seconds <= 600 and measured >= 8 and shown == 10
    print(
        f"{seconds:.0f} s (bar: 600); {measured} of 10 claims measured with an interval (bar: 8); "
        f"{stored:,} answers stored; {shown} claims on the page (bar: 10)"
    )
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
