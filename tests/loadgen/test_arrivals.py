"""Arrival processes against their closed forms, and the check that finds impostors."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest
from scipy.stats import kstest

from sizewise.errors import ConfigError
from sizewise.loadgen.arrivals import check_arrivals, dispersion, exponential_p, schedule


def gap_cv(times: list[float]) -> float:
    gaps = [b - a for a, b in pairwise(times)]
    return pstdev(gaps) / fmean(gaps)


def test_poisson_gaps_are_exponential_with_the_asked_rate() -> None:
    times = schedule("poisson", rate_per_s=50, duration_s=100, seed=3)
    assert kstest([b - a for a, b in pairwise(times)], "expon", args=(0, 1 / 50)).pvalue > 0.01
    assert dispersion(times, 100)[0] == pytest.approx(1.0, abs=0.15)


def test_constant_gaps_are_equal() -> None:
    assert gap_cv(schedule("constant", rate_per_s=7, duration_s=10, seed=0)) < 1e-9


def test_gamma_gaps_have_the_asked_variation() -> None:
    assert gap_cv(schedule("gamma:3", rate_per_s=100, duration_s=200, seed=1)) == pytest.approx(3.0, rel=0.1)


def test_ramp_grows_linearly() -> None:
    times = schedule("ramp:10-30", rate_per_s=1, duration_s=100, seed=2)
    first = sum(at < 50 for at in times)
    assert first == pytest.approx(50 * 15, rel=0.1)
    assert len(times) - first == pytest.approx(50 * 25, rel=0.1)


def test_steps_share_the_time_equally() -> None:
    times = schedule("step:10,40", rate_per_s=1, duration_s=100, seed=2)
    assert sum(at < 50 for at in times) == pytest.approx(500, rel=0.15)
    assert sum(at >= 50 for at in times) == pytest.approx(2000, rel=0.1)


def test_a_trace_is_replayed_in_order_and_cut_at_the_duration() -> None:
    assert schedule("trace", rate_per_s=1, duration_s=2.0, seed=0, trace_s=(1.5, 0.2, 2.5)) == [0.2, 1.5]


def test_the_same_seed_gives_the_same_times() -> None:
    a, b = (schedule("poisson", rate_per_s=5, duration_s=50, seed=9) for _ in range(2))
    assert a == b
    assert a != schedule("poisson", rate_per_s=5, duration_s=50, seed=10)


@pytest.mark.parametrize("arrivals", ["uniform", "ramp:a-b", "step:1,-2", "gamma:0"])
def test_an_unknown_process_names_the_known_ones(arrivals: str) -> None:
    with pytest.raises(ConfigError, match="known are closed, constant"):
        schedule(arrivals, rate_per_s=1, duration_s=1, seed=0)


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="rate above 0"):
        schedule("poisson", rate_per_s=0, duration_s=1, seed=0)


def test_the_check_passes_what_is_as_asked() -> None:
    for kind in ("poisson", "constant"):
        times = schedule(kind, rate_per_s=40, duration_s=60, seed=5)
        assert check_arrivals(times, arrivals=kind, duration_s=60).as_asked


def test_the_check_finds_gaps_repeated_by_ten_workers_of_one_seed() -> None:
    rng = Random(42)
    gaps = [rng.expovariate(10) for _ in range(150)]
    at, times = 0.0, []
    for gap in gaps:
        at += gap * 10
        times += [at] * 10
    found = check_arrivals(times, arrivals="poisson", duration_s=at + 1e-9)
    assert not found.as_asked
    assert "NOT as asked" in found.text


def test_the_check_finds_a_constant_that_is_exponential() -> None:
    times = schedule("poisson", rate_per_s=40, duration_s=60, seed=5)
    assert not check_arrivals(times, arrivals="constant", duration_s=60).as_asked


def test_exponential_gaps_pass_about_as_often_as_the_level_says() -> None:
    rejected = 0
    for seed in range(300):
        rng = Random(seed)
        rejected += exponential_p([rng.expovariate(2) for _ in range(200)]) < 0.05
    assert rejected / 300 == pytest.approx(0.05, abs=0.035)


def test_uniform_gaps_are_not_exponential() -> None:
    rng = Random(0)
    assert exponential_p([rng.random() for _ in range(300)]) < 0.01


def test_few_starts_are_not_judged() -> None:
    assert "too few" in check_arrivals([0.1, 0.4], arrivals="poisson", duration_s=1).text
