"""Prices and carbon intensities that ship with the package, each list with its day and source; none is a live quote.

Not covered: taxes, reserved and spot prices.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOffer:
    """One instance type of a cloud at its list price."""

    cloud: str
    instance: str
    device: str
    count: int
    usd_per_hour: float
    region: str
    date: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """A provider's price, with what cached prompt tokens cost where it says so."""

    name: str
    price: Price
    cached_usd_per_mtok: float | None


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("sizewise.data").joinpath("prices.json").read_text(encoding="utf-8"))
    return document


def cloud_offers() -> tuple[CloudOffer, ...]:
    """Return all cloud offers, cheapest first.

    >>> cloud_offers()[0].usd_per_hour < 1
    True
    """
    own = _document()["cloud"]
    offers = (
        CloudOffer(
            cloud=cloud,
            instance=instance,
            device=device,
            count=count,
            usd_per_hour=usd,
            region=region,
            date=own["captured"],
            source=own["source"],
        )
        for cloud, instance, device, count, usd, region in own["offers"]
    )
    return tuple(sorted(offers, key=lambda offer: offer.usd_per_hour))


def hourly_price(device: str) -> tuple[float, str] | None:
    """Return dollars per hour of a device and on what basis (marketplace rent, amortised purchase), None if unknown.

    >>> hourly_price("RTX 4090")
    (0.06, 'amortised-purchase')
    """
    found = _document()["hourly"]["usd"].get(device)
    return (float(found[0]), str(found[1])) if found else None


def api_price(model: str) -> ApiPrice:
    """Return the listed price of an API model; ConfigError with near names when it is not listed."""
    own = _document()["api"]
    table: dict[str, list[float | None]] = own["usd_per_mtok"]
    if model not in table:
        near = get_close_matches(model, table, n=3)
        hint = f"; near names: {', '.join(near)}" if near else ""
        raise ConfigError(f"no API price for {model!r}{hint}; give your own with `price` in the study file")
    prompt, answer, cached = table[model]
    price = Price(
        input_usd_per_mtok=prompt or 0.0, output_usd_per_mtok=answer or 0.0, date=own["captured"], source=own["source"]
    )
    return ApiPrice(name=model, price=price, cached_usd_per_mtok=cached)


def carbon_intensity(region: str) -> tuple[float, str]:
    """Return grams of CO2e per kWh and the region's name, by three-letter country code.

    >>> carbon_intensity("FRA")[1]
    'France'
    """
    table = _document()["carbon"]["g_per_kwh"]
    if region.upper() not in table:
        near = get_close_matches(region.upper(), table, n=3)
        raise ConfigError(f"no carbon intensity for {region!r}; expected a code such as FRA, USA, {', '.join(near)}")
    name, grams, _ = table[region.upper()]
    return float(grams), str(name)
