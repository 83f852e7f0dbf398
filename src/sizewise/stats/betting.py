"""Anytime-valid evidence about a mean that is read in random order, with or without replacement.

A bettor starts with one unit of money and bets on each increment against a null hypothesis. Under the null
the money is a nonnegative supermartingale, so it ever reaches 1/a with probability at most a (Ville): one may
look after every item, stop for any reason, and advance several comparisons in any order that depends on the data.

The increments are z = x - m s: a bounded quantity x of a unit of size s (a cluster of s items; s = 1 for single
items) less the hypothesised mean m per item. Without replacement the units still to come must make the
total of z zero (or less), so the conditional mean after t of G units is c_t = -(z_1 + ... + z_t) / (G - t).
Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS-B 2024,
arXiv:2010.09686), section 5 for the case without replacement.

The stake grows as G / (G - t). In the clock J = t / (1 - t/G) the drift of the centred sum is constant, so
a constant stake in that clock is the one that grows fastest; a constant stake per item is not.

Not covered: unbounded quantities, units chosen by what was seen, stakes tuned on later items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log2, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STAKES = (0.12, 0.3, 0.6)
"""Shares of the largest allowed stake; the wealth is the average over them, so none has to be right."""
LARGEST_STAKE = 0.95
"""A stake of 1 could lose everything on one item."""
TYPICAL_VARIANCE = 0.2
"""Mean square of a paired difference: two candidates disagree on a fifth of the items (median of 378 real pairs)."""
_LOG_CEILING = 690.0
"""exp of this is the largest power that a double holds; more evidence than that is written as this much."""


def stakes_for(units: int) -> tuple[float, ...]:
    """Return stakes for a race over so many units: from the one that settles at half of them up to 0.8, doubling.

    With a drift that needs n units for the log evidence e, the fastest stake is sqrt(2 e / (v n)); here e = 2.3 (a
    factor of 10), n = units / 2 and v = 0.2. Smaller stakes would settle only when all is read anyway.

    >>> [tuple(round(s, 2) for s in stakes_for(n)) for n in (120, 1319, 12032)]
    [(0.4, 0.8), (0.19, 0.39, 0.8), (0.06, 0.12, 0.22, 0.42, 0.8)]
    """
    largest = 0.8
    least = min(largest / 2, sqrt(2 * 4.6 / (TYPICAL_VARIANCE * units)))
    steps = max(1, round(log2(largest / least)))
    return tuple(least * (largest / least) ** (i / steps) for i in range(steps + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is fixed before the first item: how many units, and how much to stake."""

    units: int
    finite: bool = True
    """True: the claim is about these units. False: about the source that they were drawn from."""
    stakes: tuple[float, ...] = STAKES

    def shares(self, start: int, stop: int) -> Floats:
        """Return the stakes for units start..stop-1, shape (stakes, stop - start).

        >>> Design(units=10, stakes=(0.1,)).shares(0, 6).round(3).tolist()
        [[0.1, 0.111, 0.125, 0.143, 0.167, 0.2]]
        """
        return _all_shares(self)[:, start:stop]


@lru_cache(maxsize=32)
def _all_shares(design: Design) -> Floats:
    left = design.units - np.arange(design.units, dtype=np.float64)
    growth = design.units / left if design.finite else np.ones_like(left)
    shares: Floats = np.minimum(np.outer(design.stakes, growth), LARGEST_STAKE)
    shares.flags.writeable = False
    return shares


@dataclass(slots=True)
class Bets:
    """The running money of many bettors against "the mean of z is at most 0"; one row a bettor."""

    log_money: Floats
    """Shape (rows, stakes)."""
    total: Floats
    """Sum of z so far, shape (rows,)."""

    @classmethod
    def start(cls, rows: int, stakes: int = len(STAKES)) -> Bets:
        """Return bettors that have not seen anything."""
        return cls(np.zeros((rows, stakes)), np.zeros(rows))


def extend(bets: Bets, z: Floats, seen: Bools | None, lowest: Floats | float, start: int, design: Design) -> Floats:
    """Let the bettors see the next units and return the log of their money after each, shape (rows, units).

    `z` has shape (rows, b): increments of units start..start+b-1, each at least `lowest` (shape (rows, 1) or a
    number, negative). Where `seen` is False the bettor has not got that far: its money stands still, and
    the result there is -inf; None is seen by all. `bets` is updated in place. Money is averaged over the stakes.

    When what was seen already contradicts the null whatever is still to come, the log money is 690.

    >>> bets = Bets.start(1)
    >>> path = extend(bets, np.full((1, 20), 0.5), None, -1.0, 0, Design(units=40))
    >>> bool(path[0, -1] > np.log(20))
    True
    """
    if seen is not None:
        z = np.where(seen, z, 0.0)
    lowest = np.asarray(lowest, dtype=np.float64)
    upto = np.cumsum(z, axis=1)
    upto += bets.total[:, None]
    stop = start + z.shape[1]
    to_come = design.units - np.arange(start + 1, stop + 1, dtype=np.float64)
    lever: Floats
    if design.finite:
        expected = (z - upto) / (to_come + 1.0)
        room = expected - lowest
        lever = (z - expected) / np.where(room < 1e-9, 1.0, room)
    else:
        lever = z / np.maximum(-lowest, 1e-9)
    if seen is not None:
        lever *= seen
    money = design.shares(start, stop)[None, :, :] * lever[:, None, :]
    np.log1p(money, out=money)
    np.cumsum(money, axis=2, out=money)
    money += bets.log_money[:, :, None]
    bets.log_money = money[:, :, -1].copy()
    bets.total = upto[:, -1].copy()
    peak = money.max(axis=1)
    money -= peak[:, None, :]
    np.exp(money, out=money)
    path = np.log(money.sum(axis=1) / money.shape[1])
    path += peak
    if design.finite:
        certain: Bools = np.asarray(upto > 1e-9 - lowest * to_come)
        if seen is not None:
            certain &= seen
        if certain.any():
            path = np.where(np.maximum.accumulate(certain, axis=1), _LOG_CEILING, path)
            bets.log_money = np.where(certain.any(axis=1, keepdims=True), _LOG_CEILING, bets.log_money)
    np.minimum(path, _LOG_CEILING, out=path)
    return path if seen is None else np.where(seen, path, -np.inf)
