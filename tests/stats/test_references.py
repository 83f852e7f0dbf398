"""Agreement with scipy and with closed forms, to 1e-9. (With statsmodels: benchmarks/decide_references.py.)"""

import numpy as np
import pytest
from scipy import optimize, stats

from sizewise.errors import ConfigError, NotIdentifiable
from sizewise.stats.intervals import bootstrap_t, clustered_se, difference_interval, mean_interval, wilson
from sizewise.stats.multiplicity import benjamini_hochberg, e_benjamini_hochberg, holm
from sizewise.stats.paired import agresti_min, discordance, mcnemar_mid_p, paired_difference, paired_p_value
from sizewise.stats.power import items_needed, margin_shown, power_of
from sizewise.stats.ratios import cost_per_success, ratio_of_costs
from sizewise.stats.risk import accepted_in_order, risk_p_value
from sizewise.stats.trend import isotonic, page_trend, reversal_p_values

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (7, 30), (30, 30), (999, 1000)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    ours, theirs = wilson(k, n), stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_t_interval_is_scipys() -> None:
    x = RNG.uniform(size=37)
    ours = difference_interval(x)
    theirs = stats.t.interval(0.95, 36, loc=x.mean(), scale=stats.sem(x))
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


def test_clusters_of_one_give_the_plain_standard_error() -> None:
    x = RNG.uniform(size=50)
    assert clustered_se(x, np.arange(50))[0] == pytest.approx(stats.sem(x), abs=1e-12)


def test_equal_clusters_give_the_error_of_the_cluster_means() -> None:
    x = RNG.uniform(size=(30, 4))
    se, groups = clustered_se(x.ravel(), np.repeat(np.arange(30), 4))
    assert se == pytest.approx(stats.sem(x.mean(axis=1)), abs=1e-12)
    assert groups == 30


def test_few_clusters_use_the_bootstrap_and_one_cluster_says_nothing() -> None:
    x = RNG.uniform(size=40)
    assert "bootstrap-t" in mean_interval(x, np.repeat(np.arange(8), 5)).method
    one = difference_interval(x, np.zeros(40))
    assert (one.low, one.high) == (-np.inf, np.inf)
    assert bootstrap_t(x, seed=1) == bootstrap_t(x, seed=1)


def test_no_spread_is_not_taken_for_certainty() -> None:
    interval = difference_interval([0.5] * 100)
    assert interval.low < 0.5 < interval.high


def test_nothing_answered_is_refused() -> None:
    for call in (
        lambda: wilson(0, 0),
        lambda: mean_interval([]),
        lambda: cost_per_success([], []),
        lambda: agresti_min(0, 0, 0),
    ):
        with pytest.raises(NotIdentifiable):
            call()


@pytest.mark.parametrize(("b", "c"), [(0, 0), (5, 0), (0, 5), (10, 2), (40, 41)])
def test_mcnemar_mid_p_is_the_exact_test_less_half_the_point(b: int, c: int) -> None:
    if b + c == 0:
        assert mcnemar_mid_p(b, c) == 1.0
        return
    exact = stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue
    assert mcnemar_mid_p(b, c, "greater") == pytest.approx(exact - 0.5 * stats.binom.pmf(b, b + c, 0.5), abs=1e-12)
    both = stats.binomtest(b, b + c, 0.5).pvalue - stats.binom.pmf(min(b, c), b + c, 0.5)
    expected = 1 - stats.binom.pmf(b, b + c, 0.5) if b == c else both
    assert mcnemar_mid_p(b, c) == pytest.approx(expected, abs=1e-9)
    assert mcnemar_mid_p(b, c, "less") == pytest.approx(mcnemar_mid_p(c, b, "greater"), abs=1e-12)


def test_agresti_min_is_its_formula_and_is_used_for_right_and_wrong() -> None:
    a, b = RNG.integers(0, 2, 80).astype(float), RNG.integers(0, 2, 80).astype(float)
    counts = discordance(a, b)
    ours = paired_difference(a, b)
    centre = (counts.first_only - counts.second_only) / 82
    cells = np.array([counts.first_only + 0.5, counts.second_only + 0.5]) / 82
    error = np.sqrt((cells.sum() - (cells[0] - cells[1]) ** 2) / 82)
    assert ours.low == pytest.approx(centre - stats.norm.ppf(0.975) * error, abs=1e-9)
    assert ours.value == pytest.approx(a.mean() - b.mean(), abs=1e-12)


def test_graded_pairs_use_the_t_test() -> None:
    a, b = RNG.uniform(size=60), RNG.uniform(size=60)
    assert paired_p_value(a, b) == pytest.approx(stats.ttest_rel(a, b, alternative="greater").pvalue, abs=1e-9)


def test_missing_answers_are_left_out_of_a_pair() -> None:
    assert paired_difference([1.0, np.nan, 0.5], [0.5, 1.0, np.nan]).value == pytest.approx(0.5)
    with pytest.raises(NotIdentifiable):
        paired_difference([1.0, np.nan], [np.nan, 1.0])


def test_false_discovery_rate_is_scipys_and_holm_is_stepwise() -> None:
    p = RNG.uniform(size=12) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)
    ranked = np.sort(p)
    expected = [min(1.0, max(ranked[i] * (12 - i) for i in range(m + 1))) for m in range(12)]
    np.testing.assert_allclose(np.sort(holm(p)), expected, atol=1e-12)
    assert not e_benjamini_hochberg([1.0, 2.0]).any()


def test_page_is_scipys_where_no_row_has_ties() -> None:
    x = RNG.normal(size=(40, 5)) + np.arange(5) * 0.2
    theirs = stats.page_trend_test(x, method="asymptotic")
    ours = page_trend(x)
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-9)


def test_page_with_ties_has_the_permutation_variance() -> None:
    x = (RNG.uniform(size=(30, 4)) < 0.5).astype(float)
    ranks = stats.rankdata(x, axis=1)
    draws = [float(RNG.permuted(ranks, axis=1).sum(axis=0) @ [1, 2, 3, 4]) for _ in range(20000)]
    z = (page_trend(x).statistic - np.mean(draws)) / np.std(draws)
    assert page_trend(x).z == pytest.approx(z, abs=0.05)
    assert page_trend(np.ones((10, 3))).p_value == 0.5


def test_isotonic_is_scipys() -> None:
    y, w = RNG.normal(size=30), RNG.uniform(0.5, 2, size=30)
    np.testing.assert_allclose(isotonic(y, w), optimize.isotonic_regression(y, weights=w).x, atol=1e-12)


def test_reversals_are_found_only_where_they_are() -> None:
    x = np.zeros((100, 3))
    x[:60, 0], x[:20, 1], x[:90, 2] = 1, 1, 1
    p = reversal_p_values(x)
    assert p[0] < 1e-6
    assert p[1] == 1.0


def test_power_gives_the_published_numbers_and_its_own_inverse() -> None:
    table = {
        (0.2, 0.03): 1374,
        (0.2, 0.05): 495,
        (0.2, 0.1): 124,
        (0.06, 0.03): 412,
        (0.06, 0.1): 38,
        (0.3, 0.03): 2061,
    }
    for (disagreement, margin), n in table.items():
        assert abs(items_needed(margin, disagreement) - n) <= 1.5
    n = items_needed(0.04, 0.15, gap=0.01, rivals=5)
    assert power_of(n, 0.04, 0.15, gap=0.01, rivals=5) == pytest.approx(0.8, abs=0.002)
    assert margin_shown(n, 0.15, gap=0.01, rivals=5) == pytest.approx(0.04, abs=2e-5)
    assert items_needed(0.03, gap=0.03) == np.inf
    with pytest.raises(ConfigError):
        items_needed(0.0)


def test_fieller_limits_solve_their_equation() -> None:
    y = RNG.integers(0, 2, 200).astype(float)
    c = RNG.uniform(1, 2, 200) + 0.3 * y
    ratio = cost_per_success(c, y)
    s = np.cov(c, y)
    for r in (ratio.low, ratio.high):
        left = (c.mean() - r * y.mean()) ** 2
        right = stats.norm.ppf(0.975) ** 2 * (s[0, 0] - 2 * r * s[0, 1] + r * r * s[1, 1]) / 200
        assert left == pytest.approx(right, rel=1e-9)
    assert ratio.low < ratio.value < ratio.high


def test_a_cost_per_success_without_successes_is_unbounded() -> None:
    none = cost_per_success([1.0] * 20, [0.0] * 20)
    assert none.value == np.inf
    assert not none.bounded
    few = cost_per_success(RNG.uniform(1, 2, 10), [1.0] + [0.0] * 9)
    assert not few.bounded
    assert few.low > 0


def test_ratio_of_costs_brackets_its_value_and_is_seeded() -> None:
    y = RNG.integers(0, 2, 300).astype(float)
    ratio = ratio_of_costs((np.full(300, 2.0), y), (np.full(300, 1.0), y))
    assert (ratio.low, ratio.value, ratio.high) == (2.0, 2.0, 2.0)


def test_risk_p_values_and_the_fixed_order() -> None:
    assert risk_p_value([0.1] * 50, 0.1) == 1.0
    assert risk_p_value([0.0] * 1000, 0.01) < 0.001
    assert accepted_in_order([0.2, 0.0], 0.05) == 0
    assert accepted_in_order([0.01, 0.02], 0.05) == 2
