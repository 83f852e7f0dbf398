"""Time and memory of the race with 20 candidates and 10,000 items.

    python benchmarks/decide_speed.py [--candidates 20] [--items 10000]

The race is driven to its end in batches of 64 (close candidates, so that it is long), then a second one gets all of its
trials at once (replay), as after a stop. Bars: deciding the next batch at most 2 ms (median; the 99th percentile is
shown), replay at most 1 s, peak memory of the process's growth under 200 MB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np

from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import Goal, TrialKey


def new_race(candidates: int, items: int) -> Race:
    """Return a fresh race."""
    return Race(
        [RaceCandidate(name=f"m{m}", cost=1.5**m) for m in range(candidates)],
        [RaceItem(id=str(i)) for i in range(items)],
        Goal(margin=0.02),
        seed=1,
    )


def main() -> int:
    """Run and print; 0 where the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--items", type=int, default=10_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    means = np.linspace(0.6, 0.75, given.candidates)
    scores = (rng.random((given.candidates, given.items)) < means[:, None]).astype(float).tolist()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    race = new_race(given.candidates, given.items)
    told: list[tuple[TrialKey, float]] = []
    times: list[float] = []
    while True:
        started = time.perf_counter()
        keys = race.ask(64)
        times.append(time.perf_counter() - started)
        if not keys:
            break
        for key in keys:
            score = scores[int(key.candidate[1:])][int(key.sample)]
            race.tell(key, score)
            told.append((key, score))
    started = time.perf_counter()
    again = new_race(given.candidates, given.items)
    again.replay(told)
    same = again.state() == race.state()
    replay = time.perf_counter() - started
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    ask = 1000 * np.array(times)
    print(f"trials {len(told):,} of {given.candidates * given.items:,}, batches {len(times):,}")
    print(
        f"ask: median {np.median(ask):.2f} ms, mean {ask.mean():.2f} ms, "
        f"99th percentile {np.quantile(ask, 0.99):.2f} ms"
    )
    print(f"replay {replay:.2f} s, same decision: {same}; memory {megabytes:.0f} MB")
    holds = np.median(ask) <= 2 and replay <= 1 and megabytes < 200 and same
    print(
        f"{'holds' if holds else 'FAILS'}: ask {np.median(ask):.2f} ms (bar 2), replay {replay:.2f} s (bar 1), "
        f"memory {megabytes:.0f} MB (bar 200)"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
