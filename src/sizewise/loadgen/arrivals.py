"""When requests start: seeded arrival processes, and the check that they are what they claim. Pure.

Kinds: `constant`, `poisson`, `gamma:CV` (gaps of that coefficient of variation; above 1 is bursty),
`ramp:LOW-HIGH` (Poisson, rate growing linearly), `step:R1,R2,...` (Poisson, equal shares of the time) and
`trace` (given times). Closed loops have no schedule: the answers make it. It does not cover: daily patterns,
dependence between requests of one user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import exp, sqrt
from random import Random

from sizewise.errors import ConfigError

_KINDS = "closed, constant, poisson, gamma:CV, ramp:LOW-HIGH, step:R1,R2,..., trace"


def schedule(
    arrivals: str, *, rate_per_s: float, duration_s: float, seed: int, trace_s: Sequence[float] = ()
) -> list[float]:
    """Return the start times in [0, duration), seconds, ascending; the same seed gives the same times.

    >>> schedule("constant", rate_per_s=2, duration_s=2, seed=0)
    [0.0, 0.5, 1.0, 1.5]
    >>> len(schedule("poisson", rate_per_s=100, duration_s=10, seed=7))
    1018
    """
    kind, _, option = arrivals.partition(":")
    rng = Random(seed)
    if kind == "trace":
        return sorted(at for at in trace_s if 0 <= at < duration_s)
    if kind in ("constant", "poisson", "gamma") and rate_per_s <= 0:
        raise ConfigError(f"cannot send {rate_per_s:g} requests/s; give a rate above 0 (--rate 10)")
    if kind == "constant":
        return [i / rate_per_s for i in range(_ceil(duration_s * rate_per_s))]
    if kind == "poisson":
        return _renewal(lambda: rng.expovariate(rate_per_s), duration_s)
    if kind == "gamma":
        shape = 1 / _number(option or "2", arrivals) ** 2
        return _renewal(lambda: rng.gammavariate(shape, 1 / (shape * rate_per_s)), duration_s)
    if kind == "ramp":
        low, _, high = option.partition("-")
        return _ramp(rng, _number(low, arrivals), _number(high, arrivals), duration_s)
    if kind == "step":
        rates = [_number(part, arrivals) for part in option.split(",")]
        each = duration_s / len(rates)
        steps = [_renewal(partial(rng.expovariate, rate), each) for rate in rates]
        return [i * each + at for i, step in enumerate(steps) for at in step]
    raise ConfigError(f"no arrival process {arrivals!r}; known are {_KINDS}")


def _number(text: str, arrivals: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ConfigError(f"cannot read {text!r} in arrivals {arrivals!r} as a positive number; known are {_KINDS}")
    return value


def _ceil(value: float) -> int:
    return int(-(-value // 1))


def _renewal(gap: Callable[[], float], duration_s: float) -> list[float]:
    times: list[float] = []
    at = gap()
    while at < duration_s:
        times.append(at)
        at += gap()
    return times


def _ramp(rng: Random, low: float, high: float, duration_s: float) -> list[float]:
    """Return a Poisson process of linearly changing rate by thinning (Lewis and Shedler 1979)."""
    top = max(low, high)
    candidates = _renewal(lambda: rng.expovariate(top), duration_s)
    return [at for at in candidates if rng.random() * top < low + (high - low) * at / duration_s]


# --------------------------------------------------------------------------- are they what they claim


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalCheck:
    """How start times are spread, and whether that is what was asked for."""

    count: int
    rate_per_s: float
    gap_cv: float
    """Standard deviation of the gaps over their mean: 0 constant, 1 Poisson."""
    dispersion: float | None
    """Variance over mean of the counts in equal windows of about 2 arrivals: 1 for Poisson."""
    ks_p: float | None
    """P-value of the Kolmogorov-Smirnov test that the gaps are exponential."""
    as_asked: bool
    text: str


def check_arrivals(times_s: Sequence[float], *, arrivals: str, duration_s: float) -> ArrivalCheck:
    """Return the dispersion of the times at which requests were really started, with a judgement.

    The judgement uses what chance allows for this count: Poisson must have an index of dispersion within 0.15
    or three standard errors of 1, in windows of 2 and of 20 arrivals; constant a gap CV of at most 0.1.

    >>> check_arrivals([0.0, 0.5, 1.0, 1.5], arrivals="constant", duration_s=2.0).text
    'constant as asked: 4 starts at 2/s, gap CV 0.00 (constant is 0)'
    """
    times = sorted(times_s)
    gaps = [b - a for a, b in pairwise(times)]
    rate = len(times) / duration_s if duration_s else 0.0
    kind = arrivals.partition(":")[0]
    if len(gaps) < 3:
        return ArrivalCheck(
            count=len(times), rate_per_s=rate, gap_cv=0.0, dispersion=None, ks_p=None, as_asked=True,
            text=f"{kind}: {len(times)} starts, too few to check the spread",
        )  # fmt: skip
    mean = sum(gaps) / len(gaps)
    cv = sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)) / mean if mean else 0.0
    index, windows = dispersion(times, duration_s)
    coarse, few = dispersion(times, duration_s, per_window=20.0)
    p_value = exponential_p(gaps)
    if kind == "poisson":
        good = _near_one(index, windows) and _near_one(coarse, few) and p_value >= 0.001
        what = f"index of dispersion {_two(index)} (Poisson is 1), Kolmogorov-Smirnov p {p_value:.2g}"
    elif kind == "constant":
        good, what = cv <= 0.1, f"gap CV {cv:.2f} (constant is 0)"
    else:
        good, what = True, f"gap CV {cv:.2f}, index of dispersion {_two(index)}"
    verdict = "as asked" if good else "NOT as asked"
    return ArrivalCheck(
        count=len(times), rate_per_s=rate, gap_cv=cv, dispersion=index, ks_p=p_value, as_asked=good,
        text=f"{kind} {verdict}: {len(times)} starts at {rate:.4g}/s, {what}",
    )  # fmt: skip


def _near_one(index: float | None, windows: int) -> bool:
    return index is None or abs(index - 1) <= max(0.15, 3 * sqrt(2 / max(1, windows - 1)))


def _two(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def dispersion(times_s: Sequence[float], duration_s: float, *, per_window: float = 2.0) -> tuple[float | None, int]:
    """Return (variance over mean of the counts in equal windows, number of windows).

    Windows hold about `per_window` arrivals; fewer than 5 windows say nothing. For Poisson the index is 1 with
    a standard error of sqrt(2 / (windows - 1)): short windows see more exactly, long ones see slow clustering.

    >>> dispersion([0.5 + i for i in range(100)], 100.0)[0]
    0.0
    """
    windows = int(len(times_s) / per_window)
    if windows < 5:
        return None, windows
    counts = [0] * windows
    for at in times_s:
        counts[min(windows - 1, max(0, int(at / duration_s * windows)))] += 1
    mean = sum(counts) / windows
    return sum((count - mean) ** 2 for count in counts) / (windows - 1) / mean, windows


def exponential_p(gaps_s: Sequence[float]) -> float:
    """Return the p-value of the Kolmogorov-Smirnov test of exponential gaps with the mean they have.

    Because the mean is estimated, the statistic is corrected and compared with the limits of Stephens (1974,
    table 1.3): the p-value is interpolated in its logarithm between them and is at most 0.5, at least 0.0001.

    >>> rng = Random(1)
    >>> exponential_p([rng.expovariate(3) for _ in range(500)]) > 0.05
    True
    """
    n = len(gaps_s)
    mean = sum(gaps_s) / n
    if mean <= 0:
        return 0.0
    worst = 0.0
    for i, gap in enumerate(sorted(gaps_s)):
        below = 1 - exp(-gap / mean)
        worst = max(worst, below - i / n, (i + 1) / n - below)
    statistic = (worst - 0.2 / n) * (sqrt(n) + 0.26 + 0.5 / sqrt(n))
    limits = ((0.926, 0.15), (0.990, 0.10), (1.094, 0.05), (1.190, 0.025), (1.308, 0.01))
    if statistic <= limits[0][0]:
        return 0.5 - (0.5 - 0.15) * max(0.0, statistic / limits[0][0])
    for (low, p_low), (high, p_high) in pairwise(limits):
        if statistic <= high:
            return float(p_low * (p_high / p_low) ** ((statistic - low) / (high - low)))
    return max(1e-4, 0.01 * exp(-(statistic - 1.308) * 8))
