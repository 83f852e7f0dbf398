"""Are the arrivals what they claim? Judged by the server: the times at which the mock received the requests.

Bar: Poisson has an index of dispersion of 1.0 +- 0.15 and its gaps pass a Kolmogorov-Smirnov test (p > 0.01,
scipy, exponential with the asked rate); constant has a gap CV of at most 0.1, at 20 and at 300 requests/s.
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from statistics import fmean, pstdev

from scipy.stats import kstest

from sizewise.loadgen.arrivals import dispersion
from sizewise.loadgen.driver import Target, drive
from sizewise.loadgen.mock import Behaviour, mock_server
from sizewise.loadgen.plan import LoadPlan

BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})


async def received(arrivals: str, rate: float, seconds: float, *, workers: int = 1) -> list[float]:
    """Return when the server had each request, seconds since the start of the test."""
    async with mock_server(Behaviour(tokens=2, gap_s=0.0, ttft_s=0.001)) as mock:
        plan = LoadPlan(
            arrivals=arrivals, rate_per_s=rate, duration_s=seconds, warmup_s=0.0, workers=workers, seed=11
        )  # fmt: skip
        raw = await drive(plan, Target(url=f"{mock.url}/chat/completions", bodies=[BODY]))
    return sorted(truth.received_s - raw.start_s for truth in mock.truths)


async def main() -> int:
    """Print the table; 0 when the bars hold."""
    good = True
    print(f"{'arrivals':>10} {'asked/s':>8} {'workers':>7} {'dispersion':>10} {'KS p':>8} {'gap CV':>7}")
    worst_d, worst_p, worst_cv = 1.0, 1.0, 0.0
    for kind, rate, seconds, workers in (
        ("poisson", 50.0, 30.0, 1), ("poisson", 300.0, 10.0, 2), ("constant", 20.0, 8.0, 1),
        ("constant", 300.0, 8.0, 1), ("gamma:3", 100.0, 10.0, 1),
    ):  # fmt: skip
        times = await received(kind, rate, seconds, workers=workers)
        gaps = [b - a for a, b in pairwise(times)]
        cv = pstdev(gaps) / fmean(gaps)
        index = dispersion(times, seconds)[0] or 0.0
        p = float(kstest(gaps, "expon", args=(0, 1 / rate)).pvalue)
        print(f"{kind:>10} {rate:8.0f} {workers:7} {index:10.2f} {p:8.2g} {cv:7.3f}")
        if kind == "poisson":
            good &= abs(index - 1) <= 0.15 and p > 0.01
            worst_d, worst_p = max(worst_d, index, key=lambda d: abs(d - 1)), min(worst_p, p)
        elif kind == "constant":
            good &= cv <= 0.1
            worst_cv = max(worst_cv, cv)
    print(f"Poisson dispersion {worst_d:.2f} (bar 1.0 +- 0.15), KS p {worst_p:.2g} (bar 0.01), "
          f"constant gap CV {worst_cv:.3f} (bar 0.1): {'holds' if good else 'FAILS'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
