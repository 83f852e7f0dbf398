"""The walk: which stretch of which candidate is needed next, and what is settled so far.

All candidates read the same random order of units (items, or clusters of items). The walk is a function of the
scores and nothing else: it asks for one stretch, waits until the whole stretch is known, then settles what
can be settled and asks for the next. Scores that arrive early are kept and not looked at. So the batch size,
the order of arrival, a crash and a resume cannot change the decision.

Two kinds of evidence, both betting e-processes (`stats.betting`) on paired differences of candidates j and k:

- `worse[k]`: sum over j of the evidence that j leads k by more than the margin. At CAUTION (K - 1) / alpha_overpay k
  is out as a choice. If k is good enough, the sum at one common unit t divided by K - 1 is itself an e-process
  (a pair that was not read up to t only leaves out a nonnegative term), so the sum replaces a maximum.
- `close[j, k]`: evidence that j leads k by less than the margin. At (K - 1) / alpha_safe it counts.

k is good enough when `close` counts for every j. Only the best j matters for the error, so the union is over the
at most K - 1 candidates k that are not good enough. A candidate that is out as a choice stays in this
comparison: it was put out at the looser level and may still be the best.

Not covered: choosing items by what was seen; a best candidate that nobody entered.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from sizewise.race.schedule import Pairing, pick_rival
from sizewise.stats.betting import STAKES, Bets, Bools, Design, Floats, extend

Ints = NDArray[np.int64]

PILOT_UNITS = 15
"""Units that all candidates answer first. Between 10 and 30 the calls change by less than a point."""


CAUTION = 1.5
"""The money that puts a candidate out is this much more than alpha_overpay asks: adding up the rivals' money reaches
the bar more often than the largest of them does, and wrong choices on real line-ups are to stay below 1 %."""


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
    stakes: tuple[float, ...] = STAKES


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
        self.design = Design(units=self.units, finite=rules.finite, stakes=rules.stakes)
        square = (self.rows, self.count)
        self._money = np.zeros((2, *square, len(rules.stakes)))
        self.totals, self.logs = np.zeros((2, 2, *square))
        """Per direction, row and candidate: sum of increments, and the log evidence now that the row leads by more
        (direction 0) and by less (1) than the margin."""
        self.squares = np.zeros(square)
        self._worse = np.zeros((self.count, self.units))
        self.out: Bools = np.zeros(self.count, dtype=bool)
        self.witness: list[int | None] = [None] * self.count
        self.close: Bools = np.zeros(square, dtype=bool)
        self.close[np.arange(self.count), np.arange(self.count)] = True
        self.unjudged: Bools = np.zeros(self.count, dtype=bool)
        """Too many answers missing to say anything."""
        self.stuck: Bools = np.zeros(self.count, dtype=bool)
        """Everything was read and it is not settled whether the candidate is good enough."""
        rivals = max(self.rows - 1, 1)
        self.need_worse, self.need_close = CAUTION * rivals / rules.alpha_overpay, rivals / rules.alpha_safe
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
        seen = np.arange(a, b)[None, :] < self.read[np.concatenate((others, real)), None]
        low, high = self.low[:, a:b], self.high[:, a:b]
        margin = self.rules.margin * self.sizes[a:b]
        up, down = low[j] - high[k] - margin, high[j] - low[k] - margin
        pairs = j.size
        bets = Bets(
            np.concatenate((self._money[0, j, k], self._money[1, j, k])),
            np.concatenate((self.totals[0, j, k], self.totals[1, j, k])),
        )
        least = np.concatenate((self._least[0, j], self._least[1, j]))[:, None]
        path = extend(bets, np.concatenate((up, -down)), np.concatenate((seen, seen)), least, a, self.design)
        self._money[0, j, k], self._money[1, j, k] = bets.log_money[:pairs], bets.log_money[pairs:]
        self.totals[0, j, k], self.totals[1, j, k] = bets.total[:pairs], bets.total[pairs:]
        each, last = np.arange(pairs), seen.sum(axis=1) - 1
        self.logs[0, j, k], self.logs[1, j, k] = path[each, last], path[pairs + each, last]
        self.close[j, k] |= path[pairs:].max(axis=1) >= log(self.need_close)
        self.squares[j, k] += (seen * (0.5 * (up + down)) ** 2).sum(axis=1)
        money = np.exp(path[:pairs])
        self._worse[m, a:b] += money[: others.size].sum(axis=0)
        self._worse[real, a:b] += money[others.size :]
        led = np.append(real, m)
        self._put_out(led, a, b)

    def _put_out(self, led: Ints, a: int, b: int) -> None:
        """Put out candidates against whom the money of units a..b-1 is enough; take back those it has left since.

        Money that reached the bar may melt while a candidate is read further as a rival. Taking the candidate back when
        less is left than the bettors started with costs little and saves dearer choices than needed.
        """
        enough = self._worse[led, a:b].max(axis=1) >= self.need_worse
        others = np.arange(self.rows)[:, None] != led[None, :]
        left = (np.exp(self.logs[0][:, led]) * others).sum(axis=0)
        for c, crossed, money in zip(led.tolist(), enough.tolist(), left.tolist(), strict=True):
            if self.out[c] and money < self.rows - 1:
                self.out[c], self.witness[c] = False, None
            elif crossed and not self.out[c] and money >= self.rows - 1:
                self.out[c] = True
                self.witness[c] = int(np.argmax(np.where(others[:, led == c][:, 0], self.logs[0, :, c], -np.inf)))

    def _settle(self) -> None:
        """Choose the cheapest candidate that is close to every rival, when every cheaper one is settled."""
        for k in range(self.count):
            if self.out[k] or self.unjudged[k] or self.stuck[k]:
                continue
            self.focus = k
            open_rows = self._open(k)
            if not open_rows.size:
                self.chosen, self.finished = k, True
                return
            if not (np.minimum(self.read[open_rows], self.read[k]) >= self.units).any():
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
        both = np.minimum(self.read[rivals], self.read[k])
        j = int(
            rivals[
                pick_rival(
                    Pairing(
                        total=0.5 * (self.totals[0, rivals, k] - self.totals[1, rivals, k]),
                        squares=self.squares[rivals, k],
                        both=both,
                        read_rival=self.read[rivals],
                        read_focus=int(self.read[k]),
                        need_worse=log(self.need_worse) - self.logs[0, rivals, k],
                        need_close=log(self.need_close) - self.logs[1, rivals, k],
                        cost_rival=np.append(self.cost, 0.0)[rivals],
                        cost_focus=float(self.cost[k]),
                        units=self.units,
                        finite=self.rules.finite,
                    )
                )
            ]
        )
        start = int(min(self.read[j], self.read[k]))
        stop = min(self.units, start + (self.rules.block or self._stride(start)))
        return [Stretch(m, int(self.read[m]), stop) for m in (k, j) if m < self.count and self.read[m] < stop]

    def _stride(self, start: int) -> int:
        """Return the length of the next stretch: short while little was read, at most a hundredth of all units."""
        return min(max(5, self.units // 100), max(4, start // 16))

    def margin_shown(self, k: int, *, finite: bool) -> tuple[float, int | None]:
        """Return the smallest margin that all rivals of k are shown to keep, and the rival that needs it.

        Each margin of a grid of half points is tested with the error level of the race, over the units read so far.
        """
        widest, who = 0.0, None
        grid = np.arange(1, 201)[:, None] / 200.0
        biggest = float(self.sizes.max())
        design = Design(units=self.units, finite=finite, stakes=self.rules.stakes)
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
