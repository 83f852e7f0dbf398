"""A client that cannot keep up must say so instead of blaming the server.

The client is pinned to a core that other processes keep busy, while the mock runs freely on another one. Bar:
the starved result is withheld with the reason in words and no latency is stated; the same test on a free core
is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys

from sizewise.loadgen.driver import Target, drive
from sizewise.loadgen.mock import Behaviour, mock_server
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.loadgen.summary import LoadSummary, summarise

BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "word " * 100}]})
RATE_PER_S = 1500.0
"""Over half of what one free core can send, so that a core shared with six others cannot. At 300/s the client keeps
pace even so (3.4 ms late at the 99th percentile) and is rightly reported."""
HOG = "import os\nwith __import__('contextlib').suppress(OSError): os.nice(-15)\nwhile True: pass"


async def test(client_core: int, mock_core: int, *, hogs: int, rate: float) -> LoadSummary:
    """Return the summary of one test with so many hogs on the client's core."""
    os.sched_setaffinity(0, {mock_core})
    async with mock_server(Behaviour()) as mock:
        os.sched_setaffinity(0, {client_core})
        busy = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(hogs)]
        try:
            plan = LoadPlan(rate_per_s=rate, duration_s=5.0, warmup_s=1.0, workers=1, timeout_s=10.0)
            raw = await drive(plan, Target(url=f"{mock.url}/chat/completions", bodies=[BODY]))
        finally:
            for hog in busy:
                hog.kill()
                with contextlib.suppress(ChildProcessError):
                    hog.wait()
    return summarise(
        plan, raw.shots, slo=Slo(ttft_s=0.1), lags_s=raw.lags_s, cpu_s=raw.cpu_s, cpu_share=raw.cpu_share,
        wall_s=raw.wall_s, stopped=raw.stopped,
    )  # fmt: skip


async def main() -> int:
    """Print both tests; 0 when the bar holds."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("needs two cores: one for the mock, one for the client")
        return 1
    good = True
    for hogs in (0, 6):
        summary = await test(cores[-1], cores[0], hogs=hogs, rate=RATE_PER_S)
        client = summary.client
        print(
            f"{hogs} hogs on the client's core: woke up {1000 * client.lag_p50_s:.1f} ms (p50), "
            f"{1000 * client.lag_p99_s:.1f} ms (p99) late, {100 * client.cpu_share:.0f} % of the core"
        )
        if summary.withheld:
            print(f"   withheld: {summary.withheld}")
        else:
            print(f"   reported: first token p50 {1000 * summary.latency['ttft'].p50.value:.1f} ms")
        withheld = summary.withheld is not None and not summary.latency and "client itself lagged" in summary.withheld
        good &= withheld == (hogs > 0)
    print(f"starved client withheld with its reason, free client reported: {'holds' if good else 'FAILS'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
