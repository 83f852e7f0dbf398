"""A server that dies, hangs, answers 503 or cuts answers off: every request classed, the test bounded, ended by itself.

Bar: in each case all planned or fired requests are accounted for, the class is the right one, and the test ends
within its own duration plus its timeout plus 2 s.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from time import monotonic

from sizewise.errors import RuntimeFailure
from sizewise.loadgen.driver import Target, drive
from sizewise.loadgen.mock import Behaviour, mock_server
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.loadgen.summary import summarise

BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
CASES: dict[str, tuple[Behaviour, set[str]]] = {
    "dies": (Behaviour(die_after=100), {"disconnected", "connect"}),
    "hangs": (Behaviour(hang_share=0.3), {"timeout"}),
    "hangs for all": (Behaviour(hang_share=1.0), {"timeout"}),
    "503 for 30 %": (Behaviour(busy_share=0.3), {"server"}),
    "503 for all": (Behaviour(busy_share=1.0), {"server"}),
    "cuts off": (Behaviour(cut_share=0.3), {"disconnected"}),
}
RATE, SECONDS, TIMEOUT = 50.0, 6.0, 2.0


async def one(name: str, behaviour: Behaviour, expected: set[str]) -> bool:
    """Load one misbehaving server; return whether the bar holds."""
    plan = LoadPlan(rate_per_s=RATE, duration_s=SECONDS, warmup_s=0.0, timeout_s=TIMEOUT, workers=1, seed=5)
    async with mock_server(behaviour) as mock:
        begun = monotonic()
        raw = await drive(plan, Target(url=f"{mock.url}/chat/completions", bodies=[BODY]))
        took = monotonic() - begun
    summary = summarise(
        plan, raw.shots, slo=Slo(total_s=1.0), lags_s=raw.lags_s, cpu_s=raw.cpu_s, cpu_share=raw.cpu_share,
        wall_s=raw.wall_s, stopped=raw.stopped,
    )  # fmt: skip
    classes = Counter((s.error or "answered").partition(":")[0] for s in raw.shots)
    unique = len({s.index for s in raw.shots}) == len(raw.shots)
    known = set(classes) <= expected | {"answered", "cancelled"} and bool(set(classes) & expected)
    good = unique and known and took <= SECONDS + TIMEOUT + 2 and sum(classes.values()) == len(raw.shots)
    shown = ", ".join(f"{n} {kind}" for kind, n in sorted(classes.items()))
    print(
        f"{name:>14} {took:6.1f} s  {shown}; goodput {summary.goodput_per_s.value:.1f}/s; "
        f"{raw.stopped or 'ran to its end'}"
    )
    return good


async def nobody() -> bool:
    """Ask a port where nothing listens; return whether the message says so."""
    from sizewise.loadgen.endpoint import find_endpoint

    try:
        await find_endpoint("http://127.0.0.1:9")
    except RuntimeFailure as error:
        print(f"{'no server':>14}          {error}")
        return "nothing answers" in str(error)
    return False


async def main() -> int:
    """Print the table; 0 when every case holds."""
    results = [await one(name, *case) for name, case in CASES.items()] + [await nobody()]
    good = all(results)
    print(f"{sum(results)} of {len(results)} faults classed, bounded and ended by themselves (bar all): "
          f"{'holds' if good else 'FAILS'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
