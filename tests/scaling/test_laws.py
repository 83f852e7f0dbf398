"""Published laws against published values and worked examples."""

from __future__ import annotations

import math

import pytest

from sizewise.errors import ConfigError
from sizewise.scaling import laws
from sizewise.scaling.published import FORMS_ONLY, PUBLISHED, default_draws, find_law, ratio_opinions


def test_the_optimum_of_the_additive_law_is_a_minimum_along_equal_compute() -> None:
    n, d = laws.BESIROGLU.optimum(1e21)
    best = laws.BESIROGLU.loss(n, d)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert laws.BESIROGLU.loss(n * factor, d / factor) > best
    assert 6 * n * d == pytest.approx(1e21)


def test_size_and_compute_of_the_optimum_are_inverse() -> None:
    flops = laws.HOFFMANN.flops_for_size(13e9)
    assert laws.HOFFMANN.optimum(flops)[0] == pytest.approx(13e9)


def test_hoffmanns_printed_constants_put_gopher_compute_far_from_the_corrected_ones() -> None:
    ratios = [
        d / n for n, d in (law.optimum(5.88e23) for law in (laws.HOFFMANN_ROUNDED, laws.HOFFMANN, laws.BESIROGLU))
    ]
    assert ratios[0] == pytest.approx(92.8, rel=0.01)
    assert ratios[1] == pytest.approx(59.0, rel=0.01)
    assert 17 < ratios[2] < 19


@pytest.mark.parametrize(
    ("ratio", "besiroglu", "hoffmann"),
    [
        (0.75, 0.034, 0.029),
        (0.5, 0.26, 0.21),
        (1 / 3, 1.14, 0.80),
        (0.25, 3.50, 1.94),
        (2, 0.15, 0.13),
        (3, 0.37, 0.33),
    ],
)
def test_overhead_of_a_wrong_size_matches_the_worked_table(ratio: float, besiroglu: float, hoffmann: float) -> None:
    assert laws.de_vries_overhead(ratio, laws.BESIROGLU) == pytest.approx(besiroglu, rel=0.06)
    assert laws.de_vries_overhead(ratio, laws.HOFFMANN) == pytest.approx(hoffmann, rel=0.06)


def test_overhead_does_not_depend_on_the_budget() -> None:
    assert laws.de_vries_overhead(0.5, laws.DE_VRIES, 1e19) == pytest.approx(
        laws.de_vries_overhead(0.5, laws.DE_VRIES, 1e24), rel=1e-6
    )


def test_four_epochs_are_nearly_fresh_and_more_saturate() -> None:
    assert laws.repeated_tokens(1.0, 4) == pytest.approx(3.7, abs=0.05)
    assert laws.repeated_tokens(1.0, 8) == pytest.approx(6.6, abs=0.05)
    assert laws.repeated_tokens(1.0, 16) == pytest.approx(10.6, abs=0.05)
    assert laws.repeated_tokens(1.0, 1e6) == pytest.approx(16.4, abs=0.05)


def test_repeated_data_is_the_additive_law_when_nothing_repeats() -> None:
    n, d = 1e9, 2e10
    unlimited = laws.muennighoff_loss(n, d, unique=1e15)
    assert unlimited == pytest.approx(laws.MUENNIGHOFF.loss(n, d))


def test_routed_models_equal_dense_sizes_far_under_the_square_root_rule() -> None:
    sizes = [laws.clark_dense_equivalent(1.3e9, 64, router) for router in laws.CLARK]
    assert all(2.5e9 < size < 4.2e9 for size in sizes)
    assert max(sizes) < math.sqrt(1.3e9 * 28.6e9)


def test_every_law_ships_with_its_units_source_and_status() -> None:
    for law in PUBLISHED.values():
        assert law.units
        assert law.source
        assert law.status
        assert law.verified
        assert "memory" not in law.verified
        assert law.surface is not None or law.constants
    assert not set(FORMS_ONLY) & set(PUBLISHED)


def test_laws_agree_near_their_data_and_part_far_from_it() -> None:
    def refits(flops: float) -> list[float]:
        return [o.value for o in ratio_opinions(flops) if o.law.startswith("refit")]

    assert 9 < min(refits(1e20)) < max(refits(1e20)) < 23
    assert max(refits(1e24)) / min(refits(1e24)) > 10


def test_an_unknown_law_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="besiroglu2024"):
        find_law("chinchila")


def test_draws_of_the_default_law_stay_the_same_and_near_the_published_intervals() -> None:
    draws = default_draws()
    assert (draws == default_draws()).all()
    alpha, beta = draws[:, 3], draws[:, 4]
    assert sorted(alpha)[50] == pytest.approx(0.317, abs=0.004)
    assert sorted(beta)[-50] == pytest.approx(0.414, abs=0.005)
