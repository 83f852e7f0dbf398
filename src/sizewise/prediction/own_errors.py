"""What the constants of a calibration err on whole models that were timed with it: a correction, and honest ranges.

The models are made up, unlike the probes that gave the constants, and unlike the ones that anybody runs: what the
constants miss on them is what they will miss on the next model. Not covered: GPUs.

With m models, the mean logarithm of measured / predicted, one mean a model, shrunk by m / (m + 1), is the correction.
Each model's own errors are then taken against the correction that the *other* models give, so that no model sits in
judgement of itself. Their mean square is pooled with two models' worth of what is usual (`USUAL`), since few models
can agree by luck; its root times Student's t for m + 1 degrees of freedom is the half width of the 90 % range,
together with the machine's drift from minute to minute (root of the sum of squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, hypot, log, sqrt

from sizewise.prediction.load_time import load_time
from sizewise.prediction.predict import facts_of
from sizewise.prediction.speed import decode_pace, prefill_pace
from sizewise.records import Calibration, CheckReading, Machine, Model

STUDENT_95 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86)
"""Student's t, 95 % one-sided, for 1, 2, 3 ... degrees of freedom (two-sided 90 %)."""


USUAL = {"decode": 0.10, "prefill": 0.10, "load": 0.20, "load cold": 0.20}
"""Root mean square errors (logarithms) that constants have on models they never saw; seen while this was made."""
_WORTH = 2
"""Models that `USUAL` counts for."""


def _predicted_s(reading: CheckReading, machine: Machine) -> float | None:
    facts = facts_of(Model(name=reading.name, architecture=reading.architecture), reading.mix)
    cpu = machine.devices[0]
    if reading.quantity.startswith("load"):
        return load_time(facts, machine, on_gpu=False, cold=reading.quantity == "load cold").value
    if reading.quantity == "decode":
        pace = decode_pace(facts, machine, cpu, depth=reading.depth + 8)
    else:
        pace = prefill_pace(facts, machine, cpu, tokens=reading.depth)
    return pace.seconds if pace else None


def _shrunk_mean(errors: Sequence[Sequence[float]]) -> float:
    """Return the mean of the models' means, shrunk towards none."""
    means = [sum(own) / len(own) for own in errors]
    return sum(means) / (len(means) + 1)


def correction_and_range(errors: Sequence[Sequence[float]], drift: float, usual: float = 0.0) -> tuple[float, float]:
    """Return (factor on seconds, half width of the 90 % range as a ratio) from logarithmic errors, one list a model.

    >>> correction_and_range([[0.0], [0.0], [0.0]], 0.1)
    (1.0, 0.1)
    """
    if len(errors) < 2:
        raise ValueError(f"{len(errors)} models; expected at least two, since each is judged by the others")
    squares: list[float] = []
    for index, own in enumerate(errors):
        others = _shrunk_mean([*errors[:index], *errors[index + 1 :]])
        squares.append(sum((error - others) ** 2 for error in own) / len(own))
    worth = _WORTH if usual else 0
    spread = sqrt((sum(squares) + worth * usual**2) / (len(squares) + worth))
    student = STUDENT_95[min(len(errors) + worth - 2, len(STUDENT_95) - 1)]
    half = hypot(student * spread, log(1 + drift))
    return round(exp(_shrunk_mean(errors)), 6), round(exp(half) - 1, 6)


def with_own_errors(calibration: Calibration, checks: Sequence[CheckReading], machine: Machine) -> Calibration:
    """Return the calibration with correction and ranges learned from what whole models took.

    Keeps the calibration's wide ranges for a quantity that fewer than two models showed.
    """
    plain = replace(calibration, correction={}, checked_depth=max((check.depth for check in checks), default=0))
    here = replace(machine, calibration=plain)
    correction, residual = {}, dict(calibration.residual)
    for quantity in residual:
        errors: dict[str, list[float]] = {}
        for check in checks:
            expected = _predicted_s(check, here) if check.quantity == quantity else None
            if expected and check.seconds > 0:
                errors.setdefault(check.name, []).append(log(check.seconds / expected))
        if len(errors) >= 2:
            found = correction_and_range(list(errors.values()), calibration.drift, USUAL[quantity])
            correction[quantity], residual[quantity] = found
    return replace(plain, correction=correction, residual=residual)
