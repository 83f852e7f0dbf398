"""Money, seconds and joules per accepted answer: by hand and against Monte Carlo."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from sizewise.loadgen.join import accepted, break_even, inverse, per_accepted, product, token_price, total
from sizewise.records import Estimate, Price, Source


def exact(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, source=Source.MEASURED)


def test_costs_of_exact_numbers_are_worked_by_hand() -> None:
    per = per_accepted(
        share=exact(0.5), rate_per_s=exact(4.0), total_s=exact(0.8), request_j=exact(3.0), usd_per_hour=exact(7.2),
        g_per_kwh=500.0,
    )  # fmt: skip
    assert per.accepted_per_s.value == pytest.approx(2.0)
    assert per.seconds.value == pytest.approx(1.6)
    assert per.usd is not None
    assert per.usd.value == pytest.approx(7.2 / 3600 / 2.0)
    assert per.joules is not None
    assert per.joules.value == pytest.approx(6.0)
    assert per.grams_co2e is not None
    assert per.grams_co2e.value == pytest.approx(6.0 * 500 / 3.6e6)


def test_the_range_of_a_product_agrees_with_sampling() -> None:
    rng = np.random.default_rng(0)
    a = Estimate(value=2.0, low=2.0 / 1.3, high=2.0 * 1.3, source=Source.MEASURED)
    b = Estimate(value=5.0, low=5.0 / 1.5, high=5.0 * 1.5, source=Source.ASSUMED)
    found = product(a, inverse(b))
    draws = (
        2.0
        * np.exp(rng.normal(0, np.log(1.3) / 1.96, 200_000))
        / (5.0 * np.exp(rng.normal(0, np.log(1.5) / 1.96, 200_000)))
    )
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(float(low), rel=0.02)
    assert found.high == pytest.approx(float(high), rel=0.02)
    assert found.source is Source.ASSUMED


def test_nothing_accepted_costs_without_end() -> None:
    assert inverse(exact(0.0)).value == inf
    assert product(exact(0.0), exact(2.0)).value == 0.0


def test_accepted_needs_both_right_and_in_time() -> None:
    assert accepted([True, True, False, True], [1.0, 0.0, 1.0, 0.7]).value == 0.5
    rng = np.random.default_rng(1)
    figure = accepted([True] * 400, list(rng.random(400)))
    assert figure.reportable
    assert figure.low < 0.5 < figure.high


def test_token_prices_are_per_million() -> None:
    price = Price(input_usd_per_mtok=0.5, output_usd_per_mtok=1.5)
    assert token_price(price, 2000, 400).value == pytest.approx(0.0016)


def test_an_api_and_a_server_break_even_where_their_bills_meet() -> None:
    knee = exact(10.0)
    found = break_even(requests_per_day=1.0, knee_per_s=knee, usd_per_hour=0.5, api_usd_per_request=0.001)
    at = found.break_even_per_day
    assert at == pytest.approx(12_000)
    for demand, cheaper in ((0.9 * at, "api"), (1.1 * at, "own")):
        one = break_even(requests_per_day=demand, knee_per_s=knee, usd_per_hour=0.5, api_usd_per_request=0.001)
        assert one.cheaper == cheaper


def test_a_worse_own_model_needs_more_demand_to_pay() -> None:
    knee = exact(10.0)
    same = break_even(requests_per_day=1e4, knee_per_s=knee, usd_per_hour=0.5, api_usd_per_request=0.001)
    worse = break_even(
        requests_per_day=1e4, knee_per_s=knee, usd_per_hour=0.5, api_usd_per_request=0.001, own_quality=0.5
    )
    assert worse.break_even_per_day == pytest.approx(2 * same.break_even_per_day)


def test_peaks_need_more_servers() -> None:
    knee = exact(1.0)
    calm = break_even(requests_per_day=86_400, knee_per_s=knee, usd_per_hour=1, api_usd_per_request=1)
    peaky = break_even(requests_per_day=86_400, knee_per_s=knee, usd_per_hour=1, api_usd_per_request=1, peak_factor=3)
    assert (calm.servers, peaky.servers) == (1, 3)


def test_a_server_that_carries_nothing_never_pays() -> None:
    found = break_even(requests_per_day=100, knee_per_s=exact(0.0), usd_per_hour=1.0, api_usd_per_request=0.001)
    assert (found.servers, found.cheaper, found.break_even_per_day) == (None, "api", inf)


def test_sums_add_their_ends() -> None:
    part = Estimate(value=1.0, low=0.5, high=3.0, source=Source.PREDICTED)
    assert (total([part, exact(1.0)]).low, total([part, exact(1.0)]).high) == (1.5, 4.0)
