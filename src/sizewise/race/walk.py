"""The walk: which stretch of which candidate is needed next, and what is settled so far.

All candidates read the same random order of units (items, or clusters of items). The walk is a function of the
scores and nothing else: it asks for one stretch, waits until the whole stretch is known, then settles what
can be settled and asks for the next. Scores that arrive early are kept and not looked at. So the batch size,
the order of arrival, a crash and a resume cannot change the decision.

Two kinds of evidence, both betting e-processes (`stats.betting`) on paired differences of candidates j and k:

- `worse[k]`: weighted mean over j of the evidence that j leads k by more than the margin. At 1 / alpha_overpay k is out
  as a choice. If k is good enough, the mean at one common unit t is itself an e-process (a pair that was
  not read up to t only leaves out a nonnegative term), so the mean replaces a union over rivals. The
  weights are fixed in advance and favour dearer rivals: k comes up for judgement when all cheaper candidates are out,
  and then a cheaper one that leads k has a rival that leads k by more.
- `close[j, k]`: evidence that j leads k by less than the margin. At (K - 1) / alpha_safe it counts; early on up to
  EARLY_SAFETY times as much is asked.

k is good enough when `close` counts for every j. Only the best j matters for the error, so the union is over the
at most K - 1 candidates k that are not good enough. A candidate that is out as a choice stays in this
comparison: it was put out at the looser level and may still be the best.

EARLY_SAFETY, CHEAPER_WEIGHT, KEEP and the largest stake were chosen on real matrices; every value keeps the
guarantees (EARLY_SAFETY from 1 up). `benchmarks/decide_constants.py` chooses on all matrices but one and judges there.

Not covered: choosing items by what was seen; a best candidate that nobody entered.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from sizewise.race.schedule import Pairing, pick_rival
from sizewise.stats.betting import Bets, Bools, Design, Floats, extend, stakes_for

Ints = NDArray[np.int64]

PILOT_UNITS = 15
"""Units that all candidates answer first. Between 10 and 30 the calls change by less than a point."""


EARLY_SAFETY = 4.0
"""So many times the evidence that alpha_safe asks is asked at the start, falling evenly to once at the last unit: wrong
certificates come early, from a lucky stretch, where asking for more costs few calls."""
CHEAPER_WEIGHT = 0.1
"""Weight of a cheaper rival's lead in the mean, where a rival that is as dear or dearer has 1."""
TIE = 1e-9
"""Sums of scores that differ by no more are equal."""
KEEP = 2.0
"""A candidate that is out comes back when the money against it falls below this (or the bar, where that is less)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Margin and error levels of a race, and how it reads."""

    margin: float
    alpha_safe: float
    alpha_overpay: float
    finite: bool = True
    """True: on these items. False: for future items like these."""
    floor: float | None = None
    """Least mean score that a choice must have."""
    pilot: int = PILOT_UNITS
    block: int | None = None
    """Units per stretch; None grows the stretch with what was read."""
    stakes: tuple[float, ...] | None = None
    """None takes the stakes that suit the number of units."""
    early_safety: float = EARLY_SAFETY
    cheaper_weight: float = CHEAPER_WEIGHT


@dataclass(frozen=True, slots=True)
class Stretch:
    """Units start..stop-1 of one candidate."""

    candidate: int
    start: int
    stop: int


class Walk:
    """The state of a race over K candidates (in order of cost) and G units; see the module's docstring.

    `low` and `high`, shape (K, G), hold each unit's total score in the common order, as bounds: equal where every
    item was answered, apart where answers are missing. Fill the stretches of `wanted`, then call `advance`.
    """

    def __init__(self, cost: Floats, sizes: Floats, rules: Rules) -> None:
        self.rules, self.cost, self.sizes = rules, cost, sizes
        self.count, self.units = len(cost), len(sizes)
        self.rows = self.count + (rules.floor is not None)
        """Candidates, then the floor as one more that leads a candidate at the floor by exactly the margin."""
        self.low = np.zeros((self.rows, self.units))
        self.high = np.zeros((self.rows, self.units))
        self.read = np.zeros(self.rows, dtype=np.int64)
        """Units of each row that the walk has looked at."""
        biggest = float(sizes.max())
        self._least = np.empty((2, self.rows))
        self._least[0], self._least[1] = -(1 + rules.margin) * biggest, -(1 - rules.margin) * biggest
        if rules.floor is not None:
            self.low[-1] = self.high[-1] = (rules.floor + rules.margin) * sizes
            self.read[-1] = self.units
            self._least[1, -1] = -max(1 - rules.margin, rules.floor) * biggest
        self.design = Design(units=self.units, finite=rules.finite, stakes=rules.stakes or stakes_for(self.units))
        square = (self.rows, self.count)
        pairs = self.rows * self.count
        self._bets = Bets.start(2 * pairs, len(self.design.stakes))
        self._log_money = np.zeros(2 * pairs)
        self._lowest = np.repeat(self._least[:, :, None], self.count, axis=2).reshape(-1, 1)
        self.totals, self.logs = self._bets.total.reshape(2, *square), self._log_money.reshape(2, *square)
        """Per direction, row and candidate: sum of increments, and the log evidence now that the row leads by more
        (direction 0) and by less (1) than the margin."""
        self.squares = np.zeros(square)
        self._weight = _weights(cost, self.rows, rules.cheaper_weight)
        self._worse = np.zeros((self.count, self.units))
        self.out: Bools = np.zeros(self.count, dtype=bool)
        self.witness: list[int | None] = [None] * self.count
        self.close: Bools = np.zeros(square, dtype=bool)
        self.close[np.arange(self.count), np.arange(self.count)] = True
        self.unjudged: Bools = np.zeros(self.count, dtype=bool)
        """Too many answers missing to say anything."""
        self.stuck: Bools = np.zeros(self.count, dtype=bool)
        """Everything was read and it is not settled whether the candidate is good enough."""
        self.need_worse = 1 / rules.alpha_overpay
        self._keep = min(KEEP, self.need_worse)
        self.need_close = max(self.rows - 1, 1) / rules.alpha_safe
        left = 1 - np.arange(1, self.units + 1) / self.units
        self._log_need_close = np.log(self.need_close * (1 + (rules.early_safety - 1) * left))
        self.chosen: int | None = None
        self.finished = False
        self.focus: int | None = None
        self.wanted = [Stretch(m, 0, min(rules.pilot, self.units)) for m in range(self.count)]

    def advance(self) -> None:
        """Look at the wanted stretches, settle what they settle, and set the next `wanted` or finish."""
        pilot = not self.read[: self.count].any()
        for stretch in self.wanted:
            self._look(stretch)
        if pilot:
            missing = (self.high - self.low)[: self.count, : self.rules.pilot].sum(axis=1)
            self.unjudged |= missing > 0.5 * self.sizes[: self.rules.pilot].sum()
        self._settle()
        self.wanted = [] if self.finished else self._next()

    def _look(self, stretch: Stretch) -> None:
        """Read a stretch of m: extend every pair that m is in, as leader and as the one led, over common units."""
        m, a, b = stretch.candidate, stretch.start, stretch.stop
        self.read[m] = b
        others = np.flatnonzero(self.read > a)
        others = others[others != m]
        if not others.size:
            return
        real = others[others < self.count]
        j = np.concatenate((others, np.full(real.size, m)))
        k = np.concatenate((np.full(others.size, m), real))
        pairs, half = j.size, self.rows * self.count
        at = j * self.count + k
        both = np.concatenate((at, at + half))
        length = np.minimum(self.read[np.concatenate((others, real))], b) - a
        seen = None if int(length.min()) == b - a else np.arange(b - a)[None, :] < length[:, None]
        margin = self.rules.margin * self.sizes[a:b]
        up = self.low[j, a:b] - self.high[k, a:b] - margin
        down = self.high[j, a:b] - self.low[k, a:b] - margin
        bets = Bets(self._bets.log_money[both], self._bets.total[both])
        twice = None if seen is None else np.concatenate((seen, seen))
        path = extend(bets, np.concatenate((up, -down)), twice, self._lowest[both], a, self.design)
        self._bets.log_money[both], self._bets.total[both] = bets.log_money, bets.total
        if seen is None:
            self._log_money[both] = path[:, -1]
        else:
            self._log_money[both] = path[np.arange(2 * pairs), np.concatenate((length, length)) - 1]
        self.close[j, k] |= (path[pairs:] >= self._log_need_close[a:b]).any(axis=1)
        middle = (0.5 * (up + down)) ** 2
        self.squares[j, k] += (middle if seen is None else seen * middle).sum(axis=1)
        money = np.exp(path[:pairs]) * self._weight[j, k][:, None]
        self._worse[m, a:b] += money[: others.size].sum(axis=0)
        self._worse[real, a:b] += money[others.size :]
        self._put_out(np.append(real, m), a, b)

    def _put_out(self, led: Ints, a: int, b: int) -> None:
        """Put out candidates against whom the money of units a..b-1 is enough; take back those it has left since.

        Money that reached the bar may melt while a candidate is read further as a rival. Taking the candidate back
        then costs little and saves dearer choices than needed.
        """
        money = (self._weight * np.exp(self.logs[0])).sum(axis=0)
        back = self.out & (money < self._keep)
        for c in led[back[led]].tolist():
            self.out[c], self.witness[c] = False, None
        enough = self._worse[led, a:b].max(axis=1) >= self.need_worse
        for c in led[enough & ~self.out[led] & (money[led] >= self._keep)].tolist():
            witness = int(np.argmax(np.where(self._weight[:, c] > 0, self.logs[0, :, c], -np.inf)))
            if witness < self.count and self.out.sum() == self.count - 1:
                continue  # One candidate is the best: the last one is not out by its rivals.
            self.out[c], self.witness[c] = True, witness

    def _settle(self) -> None:
        """Choose the cheapest candidate that is close to every rival, when every cheaper one is settled."""
        for k in range(self.count):
            if self.out[k] or self.unjudged[k] or self.stuck[k]:
                continue
            self.focus = k
            rivals = self._open(k)
            done = rivals[np.minimum(self.read[rivals], self.read[k]) >= self.units]
            if self.rules.finite and (np.abs(self.totals[1, done, k]) <= TIE).all():
                self.close[done, k] = True  # All was read and the lead is the margin exactly.
                rivals, done = self._open(k), done[:0]
            if not rivals.size:
                self.chosen, self.finished = k, True
                return
            if not done.size:
                return
            self.stuck[k] = True
        self.focus, self.finished = None, True

    def _open(self, k: int) -> Ints:
        """Return the rows that k has not been shown to be close to."""
        judged = np.ones(self.rows, dtype=bool)
        judged[: self.count] = ~self.unjudged
        return np.flatnonzero(judged & ~self.close[:, k])

    def _next(self) -> list[Stretch]:
        k = self.focus
        if k is None:
            return []
        rivals = self._open(k)
        still_in = rivals[(rivals >= self.count) | ~self.out[np.minimum(rivals, self.count - 1)]]
        rivals = still_in if still_in.size else rivals
        j = int(rivals[0] if rivals.size == 1 else rivals[pick_rival(self._pairing(rivals, k))])
        start = int(min(self.read[j], self.read[k]))
        stop = min(self.units, start + (self.rules.block or self._stride(start)))
        return [Stretch(m, int(self.read[m]), stop) for m in (k, j) if m < self.count and self.read[m] < stop]

    def _pairing(self, rivals: Ints, k: int) -> Pairing:
        both = np.minimum(self.read[rivals], self.read[k])
        need_worse = log(self.need_worse) - np.log(np.maximum(self._weight[rivals, k], 1e-3)) - self.logs[0, rivals, k]
        return Pairing(
            total=0.5 * (self.totals[0, rivals, k] - self.totals[1, rivals, k]),
            squares=self.squares[rivals, k],
            both=both,
            read_rival=self.read[rivals],
            read_focus=int(self.read[k]),
            need_worse=need_worse,
            need_close=self._log_need_close[both - 1] - self.logs[1, rivals, k],
            cost_rival=np.append(self.cost, 0.0)[rivals],
            cost_focus=float(self.cost[k]),
            units=self.units,
            finite=self.rules.finite,
        )

    def _stride(self, start: int) -> int:
        """Return the length of the next stretch: short while little was read, at most a two-hundredth of all units."""
        return min(max(5, self.units // 200), max(4, start // 16))

    def margin_shown(self, k: int, *, finite: bool) -> tuple[float, int | None]:
        """Return the smallest margin that all rivals of k are shown to keep, and the rival that needs it.

        Each margin of a grid of half points is tested with the error level of the race, over the units read so far.
        """
        widest, who = 0.0, None
        grid = np.arange(1, 201)[:, None] / 200.0
        biggest = float(self.sizes.max())
        design = Design(units=self.units, finite=finite, stakes=self.design.stakes)
        for j in range(self.count):
            n = int(min(self.read[j], self.read[k]))
            if j == k or self.unjudged[j] or not n:
                continue
            lead = (self.high[j, :n] - self.low[k, :n])[None, :]
            z = grid * self.sizes[None, :n] - lead
            path = extend(
                Bets.start(grid.size, len(design.stakes)),
                z,
                np.ones(z.shape, dtype=bool),
                -(1 - grid) * biggest - 1e-12,
                0,
                design,
            )
            shown = np.flatnonzero(path.max(axis=1) >= log(self.need_close))
            margin = float(grid[shown[0], 0]) if shown.size else 1.0
            if margin > widest:
                widest, who = margin, j
        return widest, who


def _weights(cost: Floats, rows: int, cheaper: float) -> Floats:
    """Return the weight of each row's lead over each candidate, shape (rows, K); each column adds up to 1.

    >>> _weights(np.array([1.0, 2.0, 3.0]), 3, 0.1).round(3).tolist()
    [[0.0, 0.091, 0.5], [0.5, 0.0, 0.5], [0.5, 0.909, 0.0]]
    """
    count = len(cost)
    weight = np.ones((rows, count))
    weight[:count] = np.where(cost[:, None] < cost[None, :], cheaper, 1.0)
    weight[np.arange(count), np.arange(count)] = 0.0
    share: Floats = weight / np.maximum(weight.sum(axis=0), 1e-300)
    return share
