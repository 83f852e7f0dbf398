"""Agreement of the statistics with scipy, statsmodels and closed forms, to 1e-9.

    python benchmarks/decide_references.py [--seeds 200]

Needs statsmodels (extra `dev`). Prints the largest absolute difference of each quantity over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from scipy import optimize, stats

from sizewise.stats.betting import Bets, Design, extend
from sizewise.stats.intervals import clustered_se, difference_interval, wilson
from sizewise.stats.multiplicity import benjamini_hochberg, holm
from sizewise.stats.paired import agresti_min, discordance, mcnemar_mid_p, paired_p_value
from sizewise.stats.power import items_needed
from sizewise.stats.ratios import cost_per_success
from sizewise.stats.trend import isotonic, page_trend

BAR = 1e-9


def comparisons(seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield (what, ours, reference) for one seed."""
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 400))
    a, b = (rng.random((2, n)) < rng.random((2, 1))).astype(float)
    ours = wilson(a.sum(), n)
    low, high = proportion_confint(a.sum(), n, method="wilson")
    yield "Wilson low (statsmodels)", ours.low, max(low, 0.0)
    yield "Wilson high (statsmodels)", ours.high, min(high, 1.0)
    x = rng.random(n)
    interval, theirs = difference_interval(x), stats.t.interval(0.95, n - 1, loc=x.mean(), scale=stats.sem(x))
    yield "t interval (scipy)", interval.low, theirs[0]
    groups = rng.integers(0, 25, n)
    yield "clustered standard error (statsmodels OLS, CR1)", clustered_se(x, groups)[0], _ols_error(x, groups)
    counts = discordance(a, b)
    table = [[0, counts.first_only], [counts.second_only, 0]]
    if counts.first_only != counts.second_only:
        exact = float(mcnemar(table, exact=True).pvalue)
        point = stats.binom.pmf(min(counts.first_only, counts.second_only), counts.first_only + counts.second_only, 0.5)
        yield (
            "McNemar mid-p (statsmodels exact less the point)",
            mcnemar_mid_p(counts.first_only, counts.second_only),
            exact - point,
        )
    y = rng.random(n)
    yield (
        "paired t, one-sided (scipy)",
        paired_p_value(x, y),
        float(stats.ttest_rel(x, y, alternative="greater").pvalue),
    )
    cells = (np.array([counts.first_only, counts.second_only]) + 0.5) / (n + 2)
    error = np.sqrt((cells.sum() - (cells[0] - cells[1]) ** 2) / (n + 2))
    centre = cells[0] - cells[1]
    yield (
        "Agresti-Min (closed form)",
        agresti_min(counts.first_only, counts.second_only, n).low,
        centre - stats.norm.ppf(0.975) * error,
    )
    p = rng.random(15) ** 2
    yield "Holm (statsmodels)", float(np.abs(holm(p) - multipletests(p, method="holm")[1]).max()), 0.0
    yield (
        "Benjamini-Hochberg (statsmodels)",
        float(np.abs(benjamini_hochberg(p) - multipletests(p, method="fdr_bh")[1]).max()),
        0.0,
    )
    ladder = rng.normal(size=(n, 5)) + 0.05 * np.arange(5)
    page = stats.page_trend_test(ladder, method="asymptotic")
    yield "Page's L (scipy)", page_trend(ladder).statistic, float(page.statistic)
    yield "Page's p (scipy)", page_trend(ladder).p_value, float(page.pvalue)
    fit = optimize.isotonic_regression(x, weights=y + 0.1).x
    yield "isotonic fit (scipy)", float(np.abs(isotonic(x, y + 0.1) - fit).max()), 0.0
    ratio = cost_per_success(1 + x, 0.2 + 0.8 * y)
    s = np.cov(1 + x, 0.2 + 0.8 * y)
    z2 = stats.norm.ppf(0.975) ** 2
    cbar, ybar = 1 + x.mean(), 0.2 + 0.8 * y.mean()
    roots = np.roots([ybar**2 - z2 * s[1, 1] / n, -2 * (cbar * ybar - z2 * s[0, 1] / n), cbar**2 - z2 * s[0, 0] / n])
    yield "Fieller low (roots)", ratio.low, float(roots.real.min())
    yield "Fieller high (roots)", ratio.high, float(roots.real.max())
    margin, share = float(rng.uniform(0.01, 0.2)), float(rng.uniform(0.05, 0.5))
    reach = stats.norm.ppf(0.95) + stats.norm.ppf(0.8)
    yield "items needed (closed form)", items_needed(margin, share), float(np.ceil(reach**2 * share / margin**2 - 1e-9))
    yield "betting money (step by step)", *_money(rng)


def _ols_error(x: np.ndarray, groups: np.ndarray) -> float:
    from statsmodels.api import OLS

    fit = OLS(x, np.ones((x.size, 1))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    return float(fit.bse[0])


def _money(rng: np.random.Generator) -> tuple[float, float]:
    z = rng.uniform(-1, 1, 50)
    path = extend(Bets.start(1, 1), z[None, :], np.ones((1, 50), bool), -1.0, 0, Design(units=80, stakes=(0.3,)))
    money, total = 1.0, 0.0
    for t, value in enumerate(z):
        expected = -total / (80 - t)
        money *= 1 + min(0.3 * 80 / (80 - t), 0.95) * (value - expected) / (expected + 1)
        total += value
    return float(path[0, -1]), float(np.log(money))


def main() -> int:
    """Run and print; 0 where every difference is below 1e-9."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    given = parser.parse_args()
    worst: dict[str, float] = {}
    for seed in range(given.seeds):
        for what, ours, reference in comparisons(seed):
            worst[what] = max(worst.get(what, 0.0), abs(ours - reference))
    for what, difference in worst.items():
        print(f"{what:52s} {difference:.1e}")
    largest = max(worst.values())
    holds = largest <= BAR
    print(f"{'holds' if holds else 'FAILS'}: largest difference {largest:.1e} over {given.seeds} seeds, bar {BAR:g}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
