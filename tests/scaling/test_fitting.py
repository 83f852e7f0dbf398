"""Fits against known truth, closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from sizewise.errors import DataError, NotIdentifiable
from sizewise.scaling import curves, holdout, solver
from sizewise.scaling.design import look, require_identifiable, suggest_runs
from sizewise.scaling.fitting import Fit, best_fit, fit_runs, run_weights, to_law
from sizewise.scaling.laws import BESIROGLU, Additive
from sizewise.scaling.runs import Runs, make_runs, parse_runs


def grid(noise: float = 0.0, sizes: int = 6, counts: int = 5, repeats: int = 1, seed: int = 0) -> Runs:
    n, d = (
        np.repeat(axis.ravel(), repeats)
        for axis in np.meshgrid(np.geomspace(3e7, 3e9, sizes), np.geomspace(5e8, 6e10, counts))
    )
    noise_log = noise * np.random.default_rng(seed).standard_normal(n.size)
    loss = np.array([BESIROGLU.loss(a, b) for a, b in zip(n, d, strict=True)]) * np.exp(noise_log)
    return make_runs(n, d, loss)


@pytest.fixture(scope="module")
def noisy() -> Fit:
    return fit_runs(grid(0.004, repeats=2), refits=300)


def test_exact_runs_give_back_their_constants() -> None:
    law = fit_runs(grid(), refits=100).constants
    for name in ("e", "a", "b", "alpha", "beta"):
        assert getattr(law, name) == pytest.approx(getattr(BESIROGLU, name), rel=1e-4)


def test_the_fit_is_a_minimum_that_scipy_cannot_improve() -> None:
    from scipy.optimize import minimize

    runs = grid(0.01, seed=3)
    data = solver.points(runs.n, runs.d, runs.loss)
    theta, value = best_fit(data, 1e-3)

    def objective(point: np.ndarray) -> float:
        return float(solver.huber(solver.shares(point[None], data)[0] - data.z, np.ones((1, data.z.size)), 1e-3)[0])

    other = minimize(
        objective, theta + 0.01, method="Nelder-Mead", options={"maxiter": 20000, "fatol": 1e-14, "xatol": 1e-9}
    )
    assert value <= other.fun * (1 + 1e-6)


def test_analytic_shares_are_the_derivatives() -> None:
    runs = grid(0.01)
    data = solver.points(runs.n, runs.d, runs.loss)
    theta = np.array([[0.2, 0.1, 0.5, 0.34, 0.36]])
    predicted, su, sv, sw = solver.shares(theta, data)
    step = 1e-6
    for column, wanted in ((0, su), (1, sv), (2, sw), (3, -su * data.x), (4, -sv * data.y)):
        moved = theta.copy()
        moved[0, column] += step
        assert np.allclose((solver.shares(moved, data)[0] - predicted) / step, wanted, atol=1e-5)


def test_one_wild_run_hardly_moves_a_huber_fit() -> None:
    runs = grid(0.003, repeats=2)
    bent = runs.loss.copy()
    bent[7] *= 1.5
    clean, robust = (
        to_law(best_fit(solver.points(runs.n, runs.d, loss), 1e-3)[0], solver.points(runs.n, runs.d, loss))
        for loss in (runs.loss, bent)
    )
    assert robust.alpha == pytest.approx(clean.alpha, abs=0.02)
    assert robust.beta == pytest.approx(clean.beta, abs=0.02)


def test_variable_projection_agrees_on_clean_runs() -> None:
    runs = grid()
    data = solver.points(runs.n, runs.d, runs.loss)
    law = to_law(solver.profile(data)[0], data)
    assert law.alpha == pytest.approx(BESIROGLU.alpha, abs=1e-3)
    assert law.e == pytest.approx(BESIROGLU.e, abs=1e-3)


def test_least_absolute_deviation_passes_through_five_runs() -> None:
    runs = grid(0.005, sizes=4, counts=4)
    data = solver.points(runs.n, runs.d, runs.loss)
    theta = solver.least_absolute(best_fit(data, 1e-3)[0], data)
    gaps = np.sort(np.abs(solver.shares(theta[None], data)[0][0] - data.z))
    assert gaps[4] < 1e-8 < gaps[5]


def test_intervals_hold_the_truth_and_the_point(noisy: Fit) -> None:
    for name in ("e", "a", "b", "alpha", "beta", "size_exponent"):
        interval = noisy.interval(name)
        assert interval.low <= interval.value <= interval.high
        assert interval.low <= getattr(BESIROGLU, name) <= interval.high


def test_a_new_runs_band_is_wider_than_the_laws(noisy: Fit) -> None:
    new, mean = noisy.predict(1e9, 2e10), noisy.predict(1e9, 2e10, new_run=False)
    assert new.high - new.low > mean.high - mean.low


def test_the_same_seed_gives_the_same_intervals() -> None:
    one, other = (fit_runs(grid(0.01), refits=100, seed=5).interval("alpha") for _ in range(2))
    assert one == other


def test_rows_of_one_run_share_their_weight() -> None:
    weights = run_weights(np.array([0, 0, 1, 2, 2]), 10, np.random.default_rng(0), "bayesian")
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, 0] != weights[:, 2]).all()


@pytest.mark.parametrize(
    ("n", "d", "reason"),
    [
        (np.geomspace(1e6, 1e9, 12), np.full(12, 1e10), "fixed D"),
        (np.full(12, 1e8), np.geomspace(1e8, 1e11, 12), "fixed N"),
        (np.geomspace(1e6, 1e9, 12), 20 * np.geomspace(1e6, 1e9, 12), "fixed D/N"),
        (np.geomspace(1e6, 1e9, 12), 1e18 / np.geomspace(1e6, 1e9, 12), "one compute budget"),
        (np.tile([1e7, 1e8], 6), np.repeat(np.geomspace(1e8, 1e10, 6), 2), "only 2 model size"),
        (np.geomspace(1e6, 1e8, 4), np.geomspace(1e9, 1e10, 4)[::-1] ** 1.0, "runs for five constants"),
    ],
)
def test_designs_that_cannot_carry_the_law_are_refused(n: np.ndarray, d: np.ndarray, reason: str) -> None:
    runs = make_runs(n, d, [BESIROGLU.loss(a, b) for a, b in zip(n, d, strict=True)])
    with pytest.raises(NotIdentifiable, match=reason) as caught:
        fit_runs(runs)
    assert "Add for example" in str(caught.value)


def test_the_suggested_runs_make_a_refused_design_identifiable() -> None:
    n = np.geomspace(1e7, 1e9, 10)
    runs = make_runs(n, 20 * n, [BESIROGLU.loss(a, 20 * a) for a in n])
    more = suggest_runs(runs)
    assert all(6 * a * b <= 2 * runs.flops.max() * 1.001 for a, b in more)
    whole = make_runs(np.r_[n, [a for a, _ in more]], np.r_[20 * n, [b for _, b in more]], np.ones(10 + len(more)))
    assert look(whole).problems == ()


def test_a_good_design_is_described() -> None:
    design = require_identifiable(grid())
    assert (design.sizes, design.token_counts) == (6, 5)


def test_held_out_runs_are_those_of_largest_compute_and_predicted_without_them() -> None:
    runs = grid(0.004, repeats=2, seed=2)
    held = holdout.hold_out(runs, refits=200)
    least = min(6 * row.n * row.d for row in held)
    assert least >= np.sort(runs.flops)[-len(held)] * 0.999
    assert np.mean([row.inside for row in held]) >= 0.5
    assert all(abs(row.error) < 0.05 for row in held)


def test_too_few_runs_to_hold_any_out_say_so() -> None:
    with pytest.raises(NotIdentifiable, match="largest"):
        holdout.hold_out(grid(sizes=3, counts=3))


def test_sensitivity_reports_thresholds_projection_and_outliers() -> None:
    runs = grid(0.003, repeats=2)
    bent = runs.loss.copy()
    bent[[3, 9]] *= 1.4
    names = [variant.name for variant in holdout.sensitivity(make_runs(runs.n, runs.d, bent))]
    assert names[-1] == "without 2 outliers"
    assert "variable projection" in names


def test_pictures_hold_every_run_and_a_band(noisy: Fit) -> None:
    plot = curves.loss_curves(noisy)
    dots = sum(len(series.points) for series in plot.series if series.name.endswith("runs"))
    assert dots == len(noisy.runs)
    assert any(series.band for series in plot.series)
    assert len(curves.residuals(noisy).series[0].points) == len(noisy.runs)
    assert curves.isoflop(noisy).series[-1].points[0].x_low is not None


def test_a_table_of_runs_is_read_with_flops_instead_of_tokens() -> None:
    runs = parse_runs("Model Size,Training FLOP,loss\n1e9,1.2e20,2.5\n2B,2.4e20,2.4\n")
    assert runs.d.tolist() == pytest.approx([2e10, 2e10])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("params,loss\n1e6,3\n", "no column for tokens"),
        ("a,b\n1,2\n", "no column for parameters"),
        ("params,tokens,loss\n1e6,1e8,3\n2e6,x,3\n", "line 3: tokens is 'x'"),
        ("params,tokens,loss\n1e6,1e8,nan\n", "line 2: loss"),
        ("params,tokens,loss\n", "no rows"),
    ],
)
def test_a_broken_table_names_the_line_and_the_reason(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_runs(text)


def test_the_column_of_sizes_can_be_named() -> None:
    text = "n_params_total,n_params_nonembedding,tokens,loss\n3e6,1e6,1e8,3\n"
    assert parse_runs(text).n.tolist() == [3e6]
    assert parse_runs(text, size_column="n_params_nonembedding").n.tolist() == [1e6]


def test_checkpoints_of_one_run_are_grouped() -> None:
    runs = parse_runs("params,tokens,loss,id\n1e6,1e8,3,a\n1e6,2e8,2.9,a\n2e6,1e8,2.8,b\n", run_column="id")
    assert runs.unit.tolist() == [0, 0, 1]


def test_the_law_of_a_fit_is_an_additive_law(noisy: Fit) -> None:
    assert isinstance(noisy.constants, Additive)
    assert noisy.optimum(1e19)["tokens_per_parameter"].value > 0
