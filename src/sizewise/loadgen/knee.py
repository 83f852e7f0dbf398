"""The highest load that still holds a limit, in few probes. Pure: ask for the next load, tell what it did.

Loads are rates (requests/s) or users. From a first guess it goes up or down by factors until one load holds and
a higher one does not, then halves the gap on a logarithmic scale until the two are within `resolution`.
It does not cover: servers whose answers depend on what was asked before, limits that hold again at higher load.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt

from sizewise.records import Estimate, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One load that was tried."""

    load: float
    holds: bool
    answered_per_s: float
    """What the server really gave: above its capacity this is the capacity."""


class Knee:
    """Searches the highest load that holds.

    >>> knee = Knee(guess=10.0)
    >>> while (load := knee.ask()) is not None:
    ...     knee.tell(load, holds=load <= 37, answered_per_s=min(load, 40))
    >>> knee.result().low <= 37 < knee.result().high, len(knee.probes) <= 7
    (True, True)
    """

    def __init__(
        self, *, guess: float, capacity: float = inf, lowest: float = 0.05, highest: float = 1e5,
        resolution: float = 1.15, whole: bool = False, most_probes: int = 12,
    ) -> None:  # fmt: skip
        """Search around `guess`.

        `capacity` is what the server gave when it was flooded, if known; `whole` searches whole numbers (users);
        `resolution` is the largest ratio of the two ends at the finish.
        """
        self._guess = guess
        self._lowest = 1.0 if whole else lowest
        self._highest = highest
        self._resolution = resolution
        self._whole = whole
        self._most = most_probes
        self._capacity = capacity
        self.holds_at = 0.0
        self.fails_at = inf
        self.probes: list[Probed] = []

    def ask(self) -> float | None:
        """Return the next load to try, None when the search is over."""
        if len(self.probes) >= self._most or self.fails_at <= self._lowest or self.holds_at >= self._highest:
            return None
        if self.holds_at and self.fails_at < inf:
            close = self.fails_at - self.holds_at <= 1 if self._whole else False
            if close or self.fails_at / self.holds_at <= self._resolution:
                return None
        load = min(self._highest, max(self._lowest, self._next()))
        return self._rounded(load)

    def _rounded(self, load: float) -> float:
        if not self._whole:
            return float(f"{load:.3g}")
        inner = self.holds_at + 1, self.fails_at - 1
        return float(min(max(round(load), inner[0]), inner[1]))

    def _next(self) -> float:
        if not self.probes:
            return self._guess
        if self.fails_at == inf:
            if self.holds_at < 0.95 * self._capacity < inf:
                return 1.05 * self._capacity
            return self.holds_at * (2 if len(self.probes) < 4 else 4)
        if not self.holds_at:
            likely = 0.8 * self._capacity if self._capacity < 0.8 * self.fails_at else inf
            return min(likely, self.fails_at / (2 if len(self.probes) < 4 else 4))
        middle = sqrt(self.holds_at * self.fails_at)
        likely = 0.9 * self._capacity
        return likely if self.holds_at * 1.05 < likely < middle else middle

    def tell(self, load: float, *, holds: bool, answered_per_s: float) -> None:
        """Take in what a load did."""
        self.probes.append(Probed(load=load, holds=holds, answered_per_s=answered_per_s))
        if holds:
            self.holds_at = max(self.holds_at, load)
            if self.fails_at <= self.holds_at:
                self.fails_at = inf
            return
        self.fails_at = min(self.fails_at, load)
        if self.holds_at >= self.fails_at:
            self.holds_at = max((p.load for p in self.probes if p.holds and p.load < self.fails_at), default=0.0)
        if not self._whole and answered_per_s < 0.95 * load:
            self._capacity = min(self._capacity, max(answered_per_s, self._lowest))

    def result(self) -> Estimate:
        """Return the knee: value and low are the highest load that held, high the lowest that did not.

        Zero when none held.
        """
        tried = len(self.probes)
        detail = f"{tried} probes; held at {self.holds_at:.4g}"
        if self.fails_at < inf:
            detail += f", not at {self.fails_at:.4g}"
            return Estimate(
                value=self.holds_at, low=self.holds_at, high=self.fails_at, source=Source.MEASURED, detail=detail
            )
        detail += ", nothing higher was tried: the knee lies above"
        return Estimate(
            value=self.holds_at, low=self.holds_at, high=self.holds_at, source=Source.MEASURED, detail=detail
        )


def servers_for(demand: float, knee: Estimate) -> int | None:
    """Return how many servers with this knee carry the demand (same unit); None when one cannot carry anything.

    >>> servers_for(50, Estimate(value=12, low=12, high=14, source=Source.MEASURED))
    5
    """
    return ceil(demand / knee.value - 1e-9) if knee.value > 0 else None
