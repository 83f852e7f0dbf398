"""Quality, latency and price in one figure: money, seconds and joules per accepted answer. Pure.

An answer is accepted when it is right and within the latency limit. Ranges of independent factors are combined
on a logarithmic scale (relative deviations add in squares), which holds for products and quotients of positive
estimates. It does not cover: the cost of a wrong answer that was accepted, idle machines beyond the demand given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt

from sizewise.loadgen.energy import scaled
from sizewise.loadgen.intervals import Figure, proportion_figure
from sizewise.loadgen.knee import servers_for
from sizewise.records import Estimate, Price, Source

_RANK = {Source.MEASURED: 0, Source.PREDICTED: 1, Source.PUBLISHED: 1, Source.ASSUMED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class PerAccepted:
    """What one accepted answer takes; None where a part is not known."""

    accepted_share: Estimate
    accepted_per_s: Estimate
    """One server at the highest load that holds the limit."""
    seconds: Estimate | None
    """Waiting time spent per accepted answer: mean total time over the accepted share."""
    usd: Estimate | None
    joules: Estimate | None
    grams_co2e: Estimate | None = None


def product(*factors: Estimate) -> Estimate:
    """Return the product of independent positive estimates; its source is the weakest of theirs.

    >>> e = Estimate(value=2.0, low=1.0, high=4.0, source=Source.MEASURED)
    >>> round(product(e, e).low, 2), product(e, e).value
    (1.5, 4.0)
    """
    value, down, up = 1.0, 0.0, 0.0
    for factor in factors:
        if factor.value <= 0:
            source = max((f.source for f in factors), key=_RANK.__getitem__)
            return Estimate(value=0.0, low=0.0, high=_upper(factors), source=source, detail="a factor is zero")
        value *= factor.value
        down += log(factor.value / factor.low) ** 2 if factor.low > 0 else inf
        up += log(factor.high / factor.value) ** 2 if factor.high < inf else inf
    return Estimate(
        value=value, low=value * exp(-sqrt(down)), high=value * exp(min(700.0, sqrt(up))) if up < inf else inf,
        source=max((f.source for f in factors), key=_RANK.__getitem__),
        detail="; ".join(dict.fromkeys(f.detail for f in factors if f.detail)),
    )  # fmt: skip


def _upper(factors: Sequence[Estimate]) -> float:
    total = 1.0
    for factor in factors:
        total *= factor.high
    return total


def inverse(estimate: Estimate) -> Estimate:
    """Return one over a positive estimate; infinite where it is zero.

    >>> inverse(Estimate(value=2.0, low=1.0, high=4.0, source=Source.MEASURED)).high
    1.0
    """
    return Estimate(
        value=1 / estimate.value if estimate.value > 0 else inf,
        low=1 / estimate.high if estimate.high > 0 else inf,
        high=1 / estimate.low if estimate.low > 0 else inf,
        source=estimate.source,
        detail=estimate.detail,
    )


def accepted(good: Sequence[bool], scores: Sequence[float], *, load: float = 0.0) -> Figure:
    """Return the share of requests that were in time and right (a score of 0.5 or more), from the same requests.

    >>> accepted([True, True, False], [1.0, 0.0, 1.0]).value
    0.3333333333333333
    """
    return proportion_figure([on_time and score >= 0.5 for on_time, score in zip(good, scores, strict=True)], load=load)


def per_accepted(
    *, share: Estimate, rate_per_s: Estimate, total_s: Estimate | None = None, request_j: Estimate | None = None,
    usd_per_hour: Estimate | None = None, usd_per_request: Estimate | None = None, g_per_kwh: float | None = None,
) -> PerAccepted:  # fmt: skip
    """Return money, seconds and joules per accepted answer of one server that runs at its knee.

    `share` is the accepted share, `rate_per_s` the requests it takes, `total_s` the mean total time. Money is
    the hour's price over the accepted answers of an hour, plus what each request costs (API tokens, electricity).
    """
    rate = product(rate_per_s, share)
    waste = inverse(share)
    money = []
    if usd_per_hour is not None:
        money.append(product(scaled(usd_per_hour, 1 / 3600), inverse(rate)))
    if usd_per_request is not None:
        money.append(product(usd_per_request, waste))
    joules = product(request_j, waste) if request_j is not None else None
    return PerAccepted(
        accepted_share=share,
        accepted_per_s=rate,
        seconds=None if total_s is None else product(total_s, waste),
        usd=total(money) if money else None,
        joules=joules,
        grams_co2e=scaled(joules, g_per_kwh / 3.6e6) if joules is not None and g_per_kwh else None,
    )


def total(parts: Sequence[Estimate]) -> Estimate:
    """Return the sum of estimates, ends added to ends (they may move together).

    >>> e = Estimate(value=2.0, low=1.0, high=4.0, source=Source.MEASURED)
    >>> total([e, e]).high
    8.0
    """
    return Estimate(
        value=sum(part.value for part in parts), low=sum(part.low for part in parts),
        high=sum(part.high for part in parts), source=max((part.source for part in parts), key=_RANK.__getitem__),
        detail="; ".join(dict.fromkeys(part.detail for part in parts if part.detail)),
    )  # fmt: skip


def token_price(price: Price, input_tokens: float, output_tokens: float) -> Estimate:
    """Return US dollars of one request at a provider's token price.

    >>> token_price(Price(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0), 1000, 500).value
    0.002
    """
    usd = (input_tokens * price.input_usd_per_mtok + output_tokens * price.output_usd_per_mtok) / 1e6
    detail = " ".join(part for part in (price.source, price.date) if part)
    return Estimate(value=usd, low=usd, high=usd, source=Source.PUBLISHED, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Own servers against an API at one demand."""

    servers: int | None
    """Own servers needed; None when one cannot carry anything."""
    own_usd_per_day: float
    api_usd_per_day: float
    break_even_per_day: float
    """Requests a day from which own servers cost less, where one server carries them; infinite when never."""
    cheaper: str
    """own or api."""


def break_even(
    *, requests_per_day: float, knee_per_s: Estimate, usd_per_hour: float, api_usd_per_request: float,
    peak_factor: float = 1.0, own_quality: float = 1.0, api_quality: float = 1.0,
) -> BreakEven:  # fmt: skip
    """Return which is cheaper per accepted answer at a demand, and from which demand own servers pay.

    Own servers are paid day and night and must carry the busiest second, `peak_factor` times the mean.
    The qualities (accepted shares) weigh both sides.

    >>> knee = Estimate(value=2.0, low=2.0, high=2.2, source=Source.MEASURED)
    >>> found = break_even(requests_per_day=86400, knee_per_s=knee, usd_per_hour=1.0, api_usd_per_request=0.001)
    >>> found.servers, found.cheaper, round(found.break_even_per_day)
    (1, 'own', 24000)
    """
    servers = servers_for(requests_per_day * peak_factor / 86400, knee_per_s)
    own = inf if servers is None else max(1, servers) * 24 * usd_per_hour
    api = requests_per_day * api_usd_per_request
    worth = api_usd_per_request * (own_quality / api_quality if api_quality > 0 else inf)
    point = 24 * usd_per_hour / worth if worth > 0 else inf
    most_a_day = knee_per_s.value * 86400 / peak_factor
    own_each = own / own_quality if own_quality > 0 else inf
    api_each = api / api_quality if api_quality > 0 else inf
    return BreakEven(
        servers=servers, own_usd_per_day=own, api_usd_per_day=api,
        break_even_per_day=point if point <= most_a_day else inf, cheaper="own" if own_each <= api_each else "api",
    )  # fmt: skip
