"""Every attempt to break out of the sandbox, and those that limits alone must hold without one.

Bar: all contained (nothing of the host reached or changed, no process left), each run classed as it should be.
Without bubblewrap or a container the first table is missing and the bar is not met.
Run: python benchmarks/evaluation_sandbox.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import psutil

from sizewise.tasks.sandbox import local
from sizewise.tasks.sandbox.attempts import ATTEMPTS, Attempt, try_one
from sizewise.tasks.sandbox.base import Job, Outcome
from sizewise.tasks.sandbox.run import probe, run_python


def table(title: str, attempts: list[Attempt], run: Callable[[Job], Outcome]) -> int:
    """Print one line per attempt; return how many were contained."""
    print(f"{title}\n{'attempt':28} {'contained':10} {'classed':8} {'wall s':>7} {'peak MiB':>9}")
    contained = 0
    for attempt in attempts:
        found = try_one(attempt, run)
        contained += found.contained
        outcome = found.outcome
        print(
            f"{attempt.name:28} {'yes' if found.contained else 'NO':10} {outcome.status.value:8} {outcome.wall_s:7.2f} "
            f"{outcome.peak_bytes / 2**20:9.0f} {'; '.join(found.seen)}",
            flush=True,
        )
    return contained


def main() -> int:
    """Print both tables; return 0 where everything was contained."""
    offer = probe()
    print("; ".join(offer.reasons))
    before = len(psutil.pids())
    boxed = table(f"\nin {offer.kind}", list(ATTEMPTS), run_python) if offer.kind else 0
    plain = [attempt for attempt in ATTEMPTS if attempt.by_limits]
    held = table("\nunsafe local: limits alone", plain, local.run)
    print(f"\nprocesses on the host: {before} before, {len(psutil.pids())} after")
    print(
        f"{boxed} of {len(ATTEMPTS)} attempts contained in {offer.kind}, {held} of {len(plain)} by limits alone; "
        "bar: all"
    )
    return 0 if boxed == len(ATTEMPTS) and held == len(plain) else 1


if __name__ == "__main__":
    sys.exit(main())
