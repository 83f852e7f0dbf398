"""The betting money is what the formula says, and keeps its promise under the null."""

import numpy as np
import pytest

from sizewise.stats.betting import LARGEST_STAKE, Bets, Design, extend, stakes_for
from sizewise.stats.power import items_needed, items_needed_watching


def by_hand(z: list[float], lowest: float, units: int, stakes: tuple[float, ...], *, finite: bool) -> list[float]:
    """The same money, one step at a time, from the paper's formula."""
    money = [1.0] * len(stakes)
    path = []
    total = 0.0
    for t, value in enumerate(z):
        left = units - t
        expected = -total / left if finite else 0.0
        for i, stake in enumerate(stakes):
            share = min(stake * (units / left if finite else 1.0), LARGEST_STAKE)
            money[i] *= 1 + share * (value - expected) / (expected - lowest)
        total += value
        path.append(np.log(np.mean(money)))
    return path


@pytest.mark.parametrize("finite", [True, False])
def test_the_money_is_the_product_of_the_bets(finite: bool) -> None:
    z = np.random.default_rng(0).choice([-1.03, -0.03, 0.97], size=40, p=[0.2, 0.6, 0.2])
    design = Design(units=90, finite=finite)
    path = extend(Bets.start(1), z[None, :], np.ones((1, 40), bool), -1.03, 0, design)
    np.testing.assert_allclose(path[0], by_hand(z.tolist(), -1.03, 90, design.stakes, finite=finite), rtol=1e-9)


def test_reading_in_pieces_gives_the_same_money_as_reading_at_once() -> None:
    z = np.random.default_rng(1).uniform(-1, 1, size=(3, 60))
    whole = extend(Bets.start(3), z, np.ones((3, 60), bool), -1.0, 0, Design(units=100))
    bets = Bets.start(3)
    parts = [
        extend(bets, z[:, a:b], np.ones((3, b - a), bool), -1.0, a, Design(units=100)) for a, b in ((0, 7), (7, 60))
    ]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-12)


def test_what_was_not_seen_moves_no_money() -> None:
    z = np.full((1, 4), 0.5)
    bets = Bets.start(1)
    path = extend(bets, z, np.array([[True, True, False, False]]), -1.0, 0, Design(units=10))
    assert np.isneginf(path[0, 2:]).all()
    assert bets.total[0] == 1.0
    assert path[0, 1] == pytest.approx(np.log(np.exp(bets.log_money[0]).mean()))


def test_a_contradiction_of_the_null_is_certain() -> None:
    z = np.array([[0.5] * 10])
    path = extend(Bets.start(1), z, np.ones((1, 10), bool), -1.0, 0, Design(units=10))
    assert path[0, 6] > 600
    assert path[0, 5] < 600


def test_under_the_null_one_in_twenty_is_reached_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(2)
    half = np.concatenate([np.full(50, 1.0), np.full(50, -1.0), np.zeros(100)])
    z = rng.permuted(np.tile(half, (4000, 1)), axis=1)
    path = extend(Bets.start(4000), z, np.ones(z.shape, bool), -1.0, 0, Design(units=200))
    reached = float((path.max(axis=1) >= np.log(20)).mean())
    assert reached <= 0.05
    assert reached > 0.01


@pytest.mark.parametrize(
    ("margin", "disagreement", "gap", "rivals"),
    [(0.1, 0.2, 0.0, 1), (0.1, 0.01, 0.0, 4), (0.1, 0.5, 0.03, 2), (0.05, 0.3, -0.05, 1), (0.1, 0.0001, 0.0, 1)],
)
def test_the_watched_number_of_items_has_the_power_it_says(
    margin: float, disagreement: float, gap: float, rivals: int
) -> None:
    needed = int(items_needed_watching(margin, disagreement, gap, rivals=rivals))
    uniform = np.random.default_rng(4).random((400, needed))
    lead = np.where(uniform < (disagreement + gap) / 2, 1.0, np.where(uniform < disagreement, -1.0, 0.0))
    design = Design(units=needed, finite=False, stakes=stakes_for(needed))
    path = extend(Bets.start(400, len(design.stakes)), margin - lead, None, -(1 - margin), 0, design)
    power = float((path.max(axis=1) >= np.log(rivals / 0.05)).mean())
    assert power >= 0.72
    assert power <= 0.92 or disagreement < 0.05


def test_watching_needs_more_items_than_a_number_fixed_beforehand() -> None:
    for margin in (0.03, 0.05, 0.1):
        for disagreement in (0.001, 0.06, 0.2):
            assert items_needed_watching(margin, disagreement) > items_needed(margin, disagreement)
    assert items_needed_watching(0.05, gap=0.05) == float("inf")
