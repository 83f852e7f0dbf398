"""The procedure of the research notes and the naive ones, written again as references for `decide_race.py`.

Everything here sees the whole matrix of a line-up in reading order, and looks only at what it has paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, sqrt

import numpy as np
from scipy.special import ndtr

STAKES = (0.12, 0.3, 0.6)


@dataclass(frozen=True)
class Result:
    """The choice (a row, or None) and how many items each row answered."""

    chosen: int | None
    read: np.ndarray


def notes_race(
    x: np.ndarray, cost: np.ndarray, delta: float, alpha_safe: float = 0.05, alpha_over: float = 0.5
) -> Result:
    """Return the notes' section 1.1: constant stakes, maximum over rivals, pilot of 30, steps of max(5, N / 100)."""
    count, n = x.shape
    total, square, up, down = _paths(x, delta)
    up_best, down_best = np.maximum.accumulate(up, -1), np.maximum.accumulate(down, -1)
    need_up, need_down = (count - 1) / alpha_over, (count - 1) / alpha_safe
    read = np.full(count, min(30, n))
    step = max(5, n // 100)
    rows = np.arange(count)
    while True:
        both = np.minimum(read[:, None], read[None, :]) - 1
        certified = down_best[rows[:, None], rows, both] >= need_down
        evidence = up_best[rows[:, None], rows, both]
        evidence[rows, rows] = 0
        out = (evidence >= need_up).any(axis=0)
        live = np.flatnonzero(~out)
        if not live.size:
            return Result(None, read)
        k = int(live[0])
        rivals = [int(j) for j in live if j != k and not certified[j, k]]
        if not rivals:
            return Result(k, read)
        merit = [_merit(total, square, up, down, cost, read, j, k, n, step, need_up, need_down) for j in rivals]
        j = rivals[int(np.argmax(merit))]
        stop = min(n, int(min(read[j], read[k])) + step)
        read[j], read[k] = max(read[j], stop), max(read[k], stop)


def _paths(x: np.ndarray, delta: float) -> tuple[np.ndarray, ...]:
    count, n = x.shape
    z = x[:, None, :] - x[None, :, :] - delta
    total = np.cumsum(z, -1)
    mean = -(total - z) / (n - np.arange(n))
    up, down = np.zeros((2, count, count, n))
    room_up, room_down = 1 + delta + mean, 1 - delta - mean
    gain_up = (z - mean) / np.where(room_up > 1e-12, room_up, 1)
    gain_down = -(z - mean) / np.where(room_down > 1e-12, room_down, 1)
    for stake in STAKES:
        up += np.exp(np.minimum(600, np.cumsum(np.log(np.maximum(1 + stake * gain_up, 1e-300)), -1))) / len(STAKES)
        down += np.exp(np.minimum(600, np.cumsum(np.log(np.maximum(1 + stake * gain_down, 1e-300)), -1))) / len(STAKES)
    up[np.maximum.accumulate(room_up <= 1e-12, -1)] = inf
    down[np.maximum.accumulate(room_down <= 1e-12, -1)] = inf
    up[..., -1][total[..., -1] > 1e-9] = inf
    down[..., -1][total[..., -1] <= 1e-9] = inf
    return total, np.cumsum(z * z, -1), up, down


def _merit(total, square, up, down, cost, read, j, k, n, step, need_up, need_down) -> float:  # type: ignore[no-untyped-def]
    """Return (P(gap > delta) + 0.02) / predicted remaining cost to decide, from a normal forecast."""
    both = int(min(read[j], read[k]))
    at = (j, k, both - 1)
    mean, variance = total[at] / both, (square[at] + 1.0) / (both + 5)
    clock = both / (1 - both / n) if both < n else 1e9
    error = sqrt(variance / clock)
    need = log(need_up) - log(max(up[at], 1e-9)) if mean > 0 else log(need_down) - log(max(down[at], 1e-9))
    ahead = clock + 2 * variance * max(need, 0.5) / max(abs(mean), 0.5 * error, 0.005) ** 2
    stop = min(n, max(both + step, ahead / (1 + ahead / n)))
    price = cost[j] * max(0, stop - read[j]) + cost[k] * max(0, stop - read[k])
    return float((ndtr(mean / error) + 0.02) / max(price, 1e-12))


def naive_means(x: np.ndarray, delta: float, items: int = 100) -> Result:
    """Return the cheapest within delta of the best on the first items."""
    mean = x[:, :items].mean(axis=1)
    return Result(int(np.flatnonzero(mean >= mean.max() - delta - 1e-9)[0]), np.full(len(x), min(items, x.shape[1])))


def peeking(x: np.ndarray, delta: float) -> Result:
    """Return what looking at uncorrected paired 95 % intervals after every step gives, all read in parallel."""
    count, n = x.shape
    read = np.full(count, min(30, n))
    out = np.zeros(count, dtype=bool)
    step = max(5, n // 100)
    while True:
        live = np.flatnonzero(~out)
        seen = int(read[live[0]])
        part = x[live, :seen]
        gap = part[:, None, :] - part[None, :, :]
        mean, error = gap.mean(-1), gap.std(-1, ddof=1) / sqrt(seen) * (sqrt(1 - seen / n) if seen < n else 0.0)
        out[live[((mean - 1.96 * error) > delta + 1e-9).any(axis=0)]] = True
        live = np.flatnonzero(~out)
        k = int(live[0])
        part = x[k, :seen][None] - x[live, :seen]
        loss, error = -part.mean(-1), part.std(-1, ddof=1) / sqrt(seen) * (sqrt(1 - seen / n) if seen < n else 0.0)
        if ((loss + 1.96 * error) <= delta + 1e-9).all():
            return Result(k, read)
        read[live] = min(n, seen + step)
