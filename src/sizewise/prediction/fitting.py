"""Fit the constants of the decode-speed law on measured rows, and what they err on devices that were left out.

    s/token = per_byte x bytes read / bandwidth + step_s + layer_s x layers + sparse_layer_s x layers with experts

Each class of devices has its own four constants, pulled towards those of all devices by a ridge, so that a class with
few rows stays near the others. Rows are weighted so that a device counts with the square root of its rows; relative
errors are made robust by iterative reweighting (Huber-like, knee at 3 %). Does not cover prefill (see `prefill_fit`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_TERMS = ("per_byte", "step_s", "layer_s", "sparse_layer_s")
_SCALES = (1.0, 1e-3, 1e-4, 1e-4)
"""Typical sizes: the ridge pulls each term in its own unit."""
RIDGE = 0.1
_KNEE, _ROUNDS = 0.03, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRow:
    """One measured decode speed of one model on one device."""

    device: str
    device_class: str
    engine: str
    read_bytes: float
    bandwidth: float
    layers: int
    sparse: bool
    tokens_per_s: float
    shared_memory: bool = False
    """A discrete-class GPU on memory shared with the processor (GB10)."""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeConstants:
    """The law of one class of devices; all terms are 0 or more, so more bandwidth is never slower."""

    per_byte: float
    step_s: float
    layer_s: float
    sparse_layer_s: float

    def seconds(self, read_bytes: float, bandwidth: float, layers: int, sparse_layers: int) -> float:
        """Return seconds for one token."""
        moved = self.per_byte * read_bytes / bandwidth
        return moved + self.step_s + self.layer_s * layers + self.sparse_layer_s * sparse_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeFit:
    """Constants by class; `any` is for classes that no row showed. Engine terms add to `per_byte`."""

    classes: dict[str, DecodeConstants]
    engines: dict[str, float]
    shared_memory: float

    def seconds(self, row: SpeedRow) -> float:
        """Return predicted seconds a token for a row."""
        own = self.classes.get(row.device_class, self.classes["any"])
        extra = self.engines.get(row.engine, 0.0) + (self.shared_memory if row.shared_memory else 0.0)
        base = own.seconds(row.read_bytes, row.bandwidth, row.layers, row.layers if row.sparse else 0)
        return base + extra * row.read_bytes / row.bandwidth


def _features(row: SpeedRow, classes: Sequence[str], engines: Sequence[str]) -> list[float]:
    moved = row.read_bytes / row.bandwidth
    base = [moved, _SCALES[1], _SCALES[2] * row.layers, _SCALES[3] * row.layers * row.sparse]
    own = [value * (row.device_class == name) for name in classes for value in base]
    engine = [moved * (row.engine == name) for name in engines]
    return [*base, *own, *engine, moved * row.shared_memory]


def fit_decode(rows: Sequence[SpeedRow], *, ridge: float = RIDGE) -> DecodeFit:
    """Return the constants that fit the rows best in relative error; classes and engines are those of the rows."""
    import numpy as np

    classes = sorted({row.device_class for row in rows})
    engines = sorted({row.engine for row in rows} - {"llamacpp"})
    x = np.array([_features(row, classes, engines) for row in rows])
    y = np.array([1 / row.tokens_per_s for row in rows])
    count = Counter(row.device for row in rows)
    weight = np.array([count[row.device] ** -0.5 for row in rows]) ** 0.5
    penalty = np.eye(x.shape[1]) * ridge**0.5
    penalty[range(4), range(4)] = 1e-6
    scale = weight / y
    solution = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        system = np.vstack([x * scale[:, None], penalty])
        solution, *_ = np.linalg.lstsq(system, np.concatenate([y * scale, np.zeros(x.shape[1])]), rcond=None)
        error = np.abs(np.log(np.maximum(x @ solution, 1e-6) / y))
        scale = weight / y / np.sqrt(np.maximum(error, _KNEE))
    return _unpack([float(value) for value in solution], classes, engines)


def _unpack(solution: list[float], classes: Sequence[str], engines: Sequence[str]) -> DecodeFit:
    def constants(own: Sequence[float]) -> DecodeConstants:
        values = [max(0.0, (a + b) * s) for a, b, s in zip(solution[:4], own, _SCALES, strict=True)]
        values[0] = max(values[0], 1.0)  # nothing moves bytes faster than its memory
        return DecodeConstants(**dict(zip(_TERMS, values, strict=True)))

    fitted = {name: constants(solution[4 * i + 4 : 4 * i + 8]) for i, name in enumerate(classes)}
    fitted["any"] = constants([0.0] * 4)
    rest = solution[4 * len(classes) + 4 :]
    return DecodeFit(classes=fitted, engines=dict(zip(engines, rest, strict=False)), shared_memory=rest[-1])


def leave_one_out(
    rows: Sequence[SpeedRow], fit: Callable[[Sequence[SpeedRow]], DecodeFit] = fit_decode
) -> list[tuple[SpeedRow, float]]:
    """Return (row, predicted / measured tokens per second) with the row's device left out of the fit."""
    found = []
    for device in sorted({row.device for row in rows}):
        fitted = fit([row for row in rows if row.device != device])
        found += [(row, 1 / fitted.seconds(row) / row.tokens_per_s) for row in rows if row.device == device]
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """Return the linear-interpolated quantile of at least one value.

    >>> quantile([1.0, 2.0, 3.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def residual_range(
    pairs: Sequence[tuple[SpeedRow, float]], device_class: str, coverage: float = 0.9
) -> tuple[float, float]:
    """Return (low, high) factors on a prediction that hold `coverage` of held-out measurements of a class.

    Every device counts with the square root of its rows. A class of fewer than three devices borrows the spread of
    all, and its wider side for both. What n devices showed says little of the next one, so the range (as a
    logarithm) grows by 1 + 1/n.
    """
    own = [(row, ratio) for row, ratio in pairs if row.device_class == device_class]
    devices = len({row.device for row, _ in own})
    if devices < 3:
        own = list(pairs)
    count = Counter(row.device for row, _ in own)
    spread: list[tuple[float, float]] = sorted((1 / ratio, count[row.device] ** -0.5) for row, ratio in own)
    total = sum(weight for _, weight in spread)
    tail = (1 - coverage) / 2 * total
    growth = 1 + 1 / max(1, devices)
    low, high = min(1.0, _weighted(spread, tail)) ** growth, max(1.0, _weighted(spread, total - tail)) ** growth
    return (low, high) if devices >= 3 else (min(low, 1 / high), max(high, 1 / low))


def _weighted(spread: Sequence[tuple[float, float]], until: float) -> float:
    passed = 0.0
    for value, weight in spread:
        passed += weight
        if passed >= until:
            return value
    return spread[-1][0]


def summary(ratios: Sequence[float]) -> dict[str, Any]:
    """Return median absolute error, its 90 % point and the share within a quarter, of predicted / measured."""
    errors = [abs(ratio - 1) for ratio in ratios]
    return {
        "rows": len(ratios),
        "median_error": round(quantile(errors, 0.5), 4),
        "p90_error": round(quantile(errors, 0.9), 4),
        "within_25_percent": round(sum(error <= 0.25 for error in errors) / len(errors), 3),
    }
