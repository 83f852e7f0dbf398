"""What a calibration learns of its own errors from whole models that were timed with it."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp, log
from types import SimpleNamespace

import pytest

from sizewise.prediction.own_errors import correction_and_range, with_own_errors
from sizewise.prediction.predict import facts_of
from sizewise.prediction.speed import decode_pace
from sizewise.records import CheckReading, Model


def reading(kit: SimpleNamespace, layers: int, factor: float, depth: int = 100) -> CheckReading:
    """Return a reading of a small llama that took `factor` times as long as the constants say."""
    arch = kit.dense(layers)
    machine = kit.machine(calibration=kit.calibration())
    pace = decode_pace(
        facts_of(Model(name="m", architecture=arch), "F16"), machine, machine.devices[0], depth=depth + 8
    )
    assert pace is not None
    return CheckReading(
        name=f"of {layers}", architecture=arch, mix="F16", quantity="decode", depth=depth, seconds=pace.seconds * factor
    )


def test_what_all_models_took_longer_becomes_a_correction_shrunk_towards_none(kit: SimpleNamespace) -> None:
    own = with_own_errors(kit.calibration(), [reading(kit, n, 1.2) for n in (2, 4, 6)], kit.machine())
    assert own.correction["decode"] == pytest.approx(exp(log(1.2) * 3 / 4), rel=1e-5)
    assert own.checked_depth == 100
    assert "prefill" not in own.correction
    assert own.residual["prefill"] == kit.calibration().residual["prefill"]


def test_a_correction_and_its_range_reach_the_prediction(kit: SimpleNamespace) -> None:
    plain = kit.machine(calibration=kit.calibration())
    own = replace(kit.calibration(), correction={"decode": 1.5}, residual={"decode": 0.25}, checked_depth=1000)
    facts = facts_of(Model(name="m", architecture=kit.dense()), "F16")
    before = decode_pace(facts, plain, plain.devices[0], depth=100)
    after = decode_pace(facts, kit.machine(calibration=own), plain.devices[0], depth=100)
    deep = decode_pace(facts, kit.machine(calibration=own), plain.devices[0], depth=8000)
    assert before is not None
    assert after is not None
    assert deep is not None
    assert after.seconds == pytest.approx(1.5 * before.seconds)
    assert after.high == pytest.approx(1.25)
    assert deep.high > after.high


def test_models_that_agree_by_luck_do_not_make_a_range_of_nothing() -> None:
    _, lucky = correction_and_range([[0.0], [0.0], [0.0], [0.0]], 0.0, usual=0.1)
    assert 0.1 < lucky < 0.15


def test_models_that_disagree_widen_the_range_and_drift_is_its_floor() -> None:
    _, narrow = correction_and_range([[0.1], [0.1], [0.1], [0.1]], 0.1)
    _, wide = correction_and_range([[0.4], [-0.3], [0.1], [0.0]], 0.1)
    assert 0.1 <= narrow < 0.2 < wide
    with pytest.raises(ValueError, match="at least two"):
        correction_and_range([[0.1]], 0.1)


@pytest.mark.parametrize(("models", "between", "within"), [(4, 0.08, 0.05), (4, 0.2, 0.0), (3, 0.15, 0.05)])
def test_ranges_hold_the_next_model_nine_times_in_ten(models: int, between: float, within: float) -> None:
    rng = random.Random(7)
    inside = 0
    for _ in range(2000):
        errors = []
        for _ in range(models):
            own = rng.gauss(0.05, between)
            errors.append([own + rng.gauss(0, within), own + rng.gauss(0, within)])
        factor, half = correction_and_range(errors, 0.0)
        true = rng.gauss(0.05, between) + rng.gauss(0, within)
        inside += abs(true - log(factor)) <= log(1 + half)
    assert 0.88 <= inside / 2000 <= 0.96
