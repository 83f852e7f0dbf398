"""What answers cost: an API's tokens, a rented hour, an own machine's share of its price and its electricity.

Prices come in as arguments with their date and source (`machines.prices` reads the shipped ones). Not covered: taxes,
egress, staff.
"""

from __future__ import annotations

from dataclasses import dataclass

from sizewise.records import Estimate, Price, Source

SECONDS_PER_YEAR = 365.25 * 86400
USD_PER_KWH = 0.17
"""Household electricity, used where the caller gives no price of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What an own or a rented machine costs while it is on."""

    usd_per_hour: float
    """Rent, or price / (years of use x hours); electricity not included."""
    usd_per_kwh: float = USD_PER_KWH
    detail: str = ""


def amortized(price_usd: float, *, years: float = 3.0) -> float:
    """Return dollars per hour of a machine bought once and used for `years`, on all day.

    >>> round(amortized(2629.8, years=3), 2)
    0.1
    """
    return price_usd / (years * SECONDS_PER_YEAR / 3600)


def api_cost(
    price: Price, input_tokens: float, output_tokens: float, *, answers: int = 1000, cached_share: float = 0.0,
    cached_usd_per_mtok: float | None = None, batch_discount: float = 0.0,
) -> Estimate:  # fmt: skip
    """Return dollars for `answers` answers; exact for the price given, so low = value = high.

    `cached_share` of the prompt is paid at `cached_usd_per_mtok`; `batch_discount` is taken from everything.

    >>> api_cost(Price(input_usd_per_mtok=1, output_usd_per_mtok=2), 1000, 500).value
    2.0
    """
    cached = price.input_usd_per_mtok if cached_usd_per_mtok is None else cached_usd_per_mtok
    prompt = input_tokens * ((1 - cached_share) * price.input_usd_per_mtok + cached_share * cached)
    usd = answers * (prompt + output_tokens * price.output_usd_per_mtok) / 1e6 * (1 - batch_discount)
    detail = " ".join(part for part in (price.source, price.date) if part)
    return Estimate(value=usd, low=usd, high=usd, source=Source.PUBLISHED, detail=detail or "price as given")


def own_cost(
    owned: Ownership, seconds: Estimate, joules: Estimate | None, *, answers: int = 1000, concurrency: float = 1.0
) -> Estimate:
    """Return dollars for `answers` answers on a machine that is busy all the time it is paid for."""
    scale = answers * owned.usd_per_hour / 3600 / max(1.0, concurrency)
    current = answers * owned.usd_per_kwh / 3.6e6

    def of(time_s: float, energy_j: float) -> float:
        return time_s * scale + energy_j * current

    return Estimate(
        value=of(seconds.value, joules.value if joules else 0.0),
        low=of(seconds.low, joules.low if joules else 0.0),
        high=of(seconds.high, joules.high if joules else 0.0),
        source=Source.PREDICTED,
        detail=owned.detail,
    )


def self_hosting_per_day(
    owned: Ownership, requests_per_day: float, answer_s: float, joules: float, idle_w: float, concurrency: float
) -> float:
    """Return dollars a day of a machine that stays on: its hours, energy of the answers, idle power in between."""
    busy_s = min(86400.0, requests_per_day * answer_s / max(1.0, concurrency))
    energy = requests_per_day * joules + idle_w * (86400.0 - busy_s)
    return 24 * owned.usd_per_hour + energy / 3.6e6 * owned.usd_per_kwh


def break_even_requests_per_day(
    owned: Ownership, api_usd_per_answer: float, answer_s: float, joules: float, idle_w: float, concurrency: float
) -> float | None:
    """Return requests a day above which self-hosting is cheaper, idle hours included; None when it never is.

    Never means: one machine at full load still costs more, or its electricity alone costs more than the API.
    """
    saved = api_usd_per_answer - (joules - idle_w * answer_s / max(1.0, concurrency)) / 3.6e6 * owned.usd_per_kwh
    fixed = 24 * owned.usd_per_hour + idle_w * 86400.0 / 3.6e6 * owned.usd_per_kwh
    most = 86400.0 * max(1.0, concurrency) / answer_s if answer_s > 0 else float("inf")
    if saved <= 0 or fixed / saved > most:
        return None
    return fixed / saved
