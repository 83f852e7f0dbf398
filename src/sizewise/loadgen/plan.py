"""What a load test is asked to do: the plan, the latency limits and the rules that stop it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sizewise.errors import ConfigError
from sizewise.records import Goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Latency limits that an answer must meet to count as good, and the share of answers that must.

    >>> Slo(ttft_s=0.5, total_s=2.0).text()
    'first token <= 500 ms, total <= 2 s for 95 % of requests'
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    total_s: float | None = None
    """From the intended start to the last byte, so that waiting counts."""
    share: float = 0.95

    def text(self) -> str:
        """Return the limits in words."""
        named = (("first token", self.ttft_s), ("per token", self.tpot_s), ("total", self.total_s))
        limits = [f"{name} <= {_short(limit)}" for name, limit in named if limit is not None]
        return f"{', '.join(limits)} for {100 * self.share:g} % of requests" if limits else "no limit"

    @property
    def empty(self) -> bool:
        """Whether there is no limit at all."""
        return self.ttft_s is None and self.tpot_s is None and self.total_s is None


def slo_of(goal: Goal) -> Slo:
    """Return the latency limits of a study's goal; they bind 95 % of the requests.

    >>> slo_of(Goal(max_ttft_p95_s=0.5)).text()
    'first token <= 500 ms for 95 % of requests'
    """
    return Slo(ttft_s=goal.max_ttft_p95_s, total_s=goal.max_total_p95_s, share=0.95)


def _short(seconds: float) -> str:
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """What ends a test before its time; None never does."""

    errors_in_a_row: int | None = 100
    """Requests without a single good one between them: the server is gone."""
    backlog_requests: int | None = None
    """More requests in flight than this is overload."""
    max_output_tokens: int | None = None
    max_usd: float | None = None
    slo: Slo | None = None
    """Stop as soon as so many requests have missed it that the share can no longer be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One load test; times in seconds."""

    arrivals: str = "poisson"
    """closed, constant, poisson, gamma:CV, ramp:LOW-HIGH, step:R1,R2,..., trace."""
    rate_per_s: float = 1.0
    users: int = 0
    """Closed loop: how many ask, wait for the answer and ask again."""
    think_s: float = 0.0
    duration_s: float = 30.0
    warmup_s: float = 3.0
    """Requests intended to start in this time at the beginning are sent and not counted."""
    cooldown_s: float = 0.0
    """The same at the end."""
    timeout_s: float = 60.0
    trace_s: tuple[float, ...] = ()
    """Start times to replay, seconds from the beginning."""
    workers: int = 0
    """Processes that send; 0 lets the rate decide."""
    max_connections: int = 2048
    keep_text: bool = False
    """Keep the answers, for scoring."""
    seed: int = 0
    stop: StopRules = field(default_factory=StopRules)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.duration_s <= self.warmup_s + self.cooldown_s:
            raise ConfigError(
                f"a test of {self.duration_s:g} s has nothing left after {self.warmup_s:g} s of warm-up and "
                f"{self.cooldown_s:g} s of cool-down; give a longer duration or shorter windows"
            )
        if self.arrivals == "closed" and self.users < 1:
            raise ConfigError("closed arrivals need users >= 1: how many ask at the same time (--users 8)")
