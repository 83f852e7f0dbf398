"""How far the client's latencies are from the truth: the mock's own write times, request by request.

Bar: at 300 requests/s the error of the first token is at most 1 ms (p50) and 4 ms (p99); at 20/s at most 1 ms
(p50); a 200 ms stall in 30 % of the answers shows in the pooled 99 % gap.
"""

from __future__ import annotations

import asyncio
import json

from sizewise.loadgen.audit import compare
from sizewise.loadgen.driver import Target, drive
from sizewise.loadgen.intervals import quantile
from sizewise.loadgen.mock import Behaviour, mock_server
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.loadgen.summary import LoadSummary, summarise

BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "word " * 100}]})


async def errors(rate: float, seconds: float) -> tuple[float, float, float]:
    """Return the first token's error at p50 and p99 and the gaps' at p99, milliseconds."""
    async with mock_server(Behaviour()) as mock:
        plan = LoadPlan(arrivals="constant", rate_per_s=rate, duration_s=seconds, warmup_s=0.0, workers=1)
        raw = await drive(plan, Target(url=f"{mock.url}/chat/completions", bodies=[BODY]))
    paired = compare(raw, mock.truths)
    assert len(paired.ttft_s) == len(raw.shots), "every request must have its truth"
    firsts, gaps = sorted(paired.ttft_s), sorted(map(abs, paired.gaps_s))
    return 1000 * quantile(firsts, 0.5), 1000 * quantile(firsts, 0.99), 1000 * quantile(gaps, 0.99)


async def stalls() -> tuple[float, LoadSummary]:
    """Return the true pooled 99 % gap (ms) and the client's summary, with stalls in 30 % of the answers."""
    async with mock_server(Behaviour(stall_share=0.3)) as mock:
        plan = LoadPlan(arrivals="poisson", rate_per_s=50, duration_s=10, warmup_s=1.0, workers=1)
        raw = await drive(plan, Target(url=f"{mock.url}/chat/completions", bodies=[BODY]))
    true = sorted(b - a for t in mock.truths for a, b in zip(t.written_s, t.written_s[1:], strict=False))
    summary = summarise(
        plan, raw.shots, slo=Slo(), lags_s=[], cpu_s=raw.cpu_s, cpu_share=raw.cpu_share, wall_s=raw.wall_s
    )
    return 1000 * quantile(true, 0.99), summary


async def main() -> int:
    """Print the table; 0 when the bars hold."""
    print(f"{'rate':>6} {'first token p50':>16} {'p99':>8} {'gap p99':>8}   (errors against the mock, ms)")
    found = {}
    for rate, seconds in ((20, 15.0), (100, 8.0), (300, 8.0)):
        found[rate] = await errors(rate, seconds)
        print(f"{rate:6} {found[rate][0]:16.2f} {found[rate][1]:8.2f} {found[rate][2]:8.2f}")
    true, summary = await stalls()
    if summary.withheld:
        print(f"withheld, so nothing is shown: {summary.withheld}: FAILS")
        return 1
    pooled = 1000 * summary.latency["gap_pooled"].p99.value
    mean = 1000 * summary.latency["gap_request"].p99.value
    print(f"stalls: true pooled gap p99 {true:.1f} ms, ours {pooled:.1f} ms; mean gap of a request p99 {mean:.1f} ms")
    good = found[300][0] <= 1 and found[300][1] <= 4 and found[20][0] <= 1 and abs(pooled - true) <= 0.05 * true
    print(
        f"first-token error at 300/s {found[300][0]:.2f} ms p50 (bar 1), {found[300][1]:.2f} ms p99 (bar 4), "
        f"at 20/s {found[20][0]:.2f} ms p50 (bar 1), stall seen {pooled:.0f} of {true:.0f} ms: "
        f"{'holds' if good else 'FAILS'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
