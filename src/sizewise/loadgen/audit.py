"""Measures the client's own error before it judges a server: the same rate against the built-in mock.

The mock notes when it wrote each token; what the client reports beyond that is the client's error (and the
kernel's, and the mock's, since all share this machine: the figure is an upper bound).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from sizewise.loadgen.driver import Raw, Target, drive, worker_count
from sizewise.loadgen.intervals import quantile
from sizewise.loadgen.mock import Behaviour, Truth, mock_server
from sizewise.loadgen.plan import LoadPlan, StopRules

AUDIT_S = 2.0
_BODY = json.dumps({"model": "mock", "stream": True, "messages": [{"role": "user", "content": "audit " * 100}]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Errors of the client at one rate on this machine, seconds."""

    rate_per_s: float
    requests: int
    ttft_error_p50_s: float
    ttft_error_p99_s: float
    gap_error_p99_s: float
    """Absolute error of single gaps between tokens, 99 % point."""
    cpu_s_per_request: float

    def text(self) -> str:
        """Return one line for people."""
        return (
            f"client error at {self.rate_per_s:.4g}/s here: first token +{1000 * self.ttft_error_p50_s:.2f} ms (p50), "
            f"+{1000 * self.ttft_error_p99_s:.1f} ms (p99), gaps {1000 * self.gap_error_p99_s:.1f} ms (p99), "
            f"{1000 * self.cpu_s_per_request:.2f} ms CPU a request ({self.requests} requests against the built-in mock)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Per request: what the client says minus what the mock did, seconds, in no order."""

    ttft_s: list[float]
    gaps_s: list[float]


def compare(raw: Raw, truths: list[Truth]) -> Paired:
    """Return the errors of every whole answer against the mock's log of its own writes."""
    by_id = {truth.id: truth for truth in truths}
    firsts: list[float] = []
    gaps: list[float] = []
    for shot in raw.shots:
        truth = by_id.get(shot.index)
        if shot.error is not None or shot.first_s is None or truth is None or not truth.written_s:
            continue
        firsts.append(shot.first_s - shot.sent_s - (truth.written_s[0] - truth.received_s))
        written = [b - a for a, b in zip(truth.written_s, truth.written_s[1:], strict=False)]
        gaps.extend(seen - real for seen, real in zip(shot.gaps_s, written, strict=False))
    return Paired(ttft_s=firsts, gaps_s=gaps)


async def audit_client(plan: LoadPlan, *, seconds: float = AUDIT_S) -> Audit | None:
    """Return the client's error when it sends as `plan` does; None when no request came through.

    A closed loop is audited with as many users.
    """
    short = replace(
        plan, arrivals=plan.arrivals if plan.arrivals == "closed" else "poisson", duration_s=seconds, warmup_s=0.0,
        cooldown_s=0.0, timeout_s=10.0, workers=worker_count(plan), keep_text=False, stop=StopRules(),
        rate_per_s=max(plan.rate_per_s, 10.0),
    )  # fmt: skip
    async with mock_server(Behaviour()) as mock:
        raw = await drive(short, Target(url=f"{mock.url}/chat/completions", bodies=[_BODY]))
    errors = compare(raw, mock.truths)
    if not errors.ttft_s or not errors.gaps_s:
        return None
    firsts = sorted(errors.ttft_s)
    return Audit(
        rate_per_s=len(raw.shots) / seconds,
        requests=len(raw.shots),
        ttft_error_p50_s=quantile(firsts, 0.5),
        ttft_error_p99_s=quantile(firsts, 0.99),
        gap_error_p99_s=quantile(sorted(map(abs, errors.gaps_s)), 0.99),
        cpu_s_per_request=raw.cpu_s / max(1, len(raw.shots)),
    )
