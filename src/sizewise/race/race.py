"""Ask for trials, tell their scores: the race as a study drives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sizewise.errors import ConfigError, DataError
from sizewise.race.walk import PILOT_UNITS, Rules, Walk
from sizewise.records import Goal, TrialKey

_WAITING, _TOLD, _FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceCandidate:
    """One contender: its name and what one call costs, in any unit that is the same for all."""

    name: str
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceItem:
    """One item; items with the same cluster are read together."""

    id: str
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A candidate that gets no more questions, and why."""

    candidate: str
    reason: str
    witness: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceState:
    """Where the race stands."""

    finished: bool
    chosen: str | None
    focus: str | None
    survivors: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    close: tuple[tuple[str, str], ...]
    """Pairs (j, k) where j is shown to lead k by less than the margin."""
    used: int
    """Calls that the decision rests on."""
    told: int
    full_grid: int


class Race:
    """Find the cheapest candidate within the goal's margin of the best, from as few calls as it takes.

    The same candidates, items, goal and seed give the same order and, with the same scores, the same decision, whatever
    the batch size, the order of arrival, or a stop and a replay in between. Scores are in [0, 1].

    >>> from sizewise.records import Goal
    >>> items = [RaceItem(id=str(i)) for i in range(200)]
    >>> race = Race([RaceCandidate(name="small", cost=1), RaceCandidate(name="large", cost=9)], items, Goal(), seed=1)
    >>> while keys := race.ask(16):
    ...     for key in keys:
    ...         race.tell(key, 1.0 if key.candidate == "large" or int(key.sample) % 2 else 0.0)
    >>> race.state().chosen, race.state().used < 200
    ('large', True)
    """

    def __init__(
        self,
        candidates: Sequence[RaceCandidate],
        items: Sequence[RaceItem],
        goal: Goal,
        seed: int,
        repeats: int = 1,
        *,
        pilot: int = PILOT_UNITS,
        block: int | None = None,
    ) -> None:
        """Set up the order. `pilot` and `block` count units (items or clusters); `block` None grows the stretches."""
        _check(candidates, items, goal, repeats)
        self._candidates = sorted(candidates, key=lambda c: c.cost)
        self._repeats = repeats
        self._row = {c.name: m for m, c in enumerate(self._candidates)}
        units = shuffled_units(items, seed)
        self._order = [item.id for unit in units for item in unit]
        self._place = {name: i for i, name in enumerate(self._order)}
        sizes = np.array([len(unit) for unit in units], dtype=np.float64)
        self._stops = (np.cumsum(sizes) * repeats).astype(np.int64)
        count, slots = len(self._candidates), len(self._order) * repeats
        self._scores = np.zeros((count, slots))
        self._seen = np.zeros((count, slots), dtype=np.uint8)
        self._asked = np.zeros((count, slots), dtype=bool)
        self._told = 0
        rules = Rules(
            margin=goal.margin, alpha_safe=goal.alpha_safe, alpha_overpay=goal.alpha_overpay,
            finite=goal.certificate == "items", floor=goal.min_score, pilot=pilot, block=block,
        )  # fmt: skip
        self._walk = Walk(np.array([c.cost for c in self._candidates], dtype=np.float64), sizes, rules)
        self._stale = False

    @property
    def finished(self) -> bool:
        """True when more calls would not change the decision."""
        self._advance()
        return self._walk.finished

    def ask(self, n: int, resident: str | None = None, *, ahead: bool = True) -> list[TrialKey]:
        """Return up to n trials to run next; empty when finished or while all that is useful is under way.

        Keys come candidate by candidate, `resident` (the model that is loaded) first, so that a device loads each
        model once a batch. When n exceeds what the next decision needs, the stretch after it is handed out too, unless
        `ahead` is False: then the set of trials at the end does not depend on stops and batch sizes either.
        """
        self._advance()
        if self._walk.finished:
            return []
        first = self._row.get(resident, -1) if resident is not None else -1
        wanted = sorted(self._walk.wanted, key=lambda s: (s.candidate != first, s.candidate))
        keys: list[TrialKey] = []
        for stretch in wanted:
            keys += self._hand_out(stretch.candidate, stretch.stop, n - len(keys))
        for stretch in wanted if ahead else []:
            length = stretch.stop - stretch.start
            keys += self._hand_out(stretch.candidate, min(stretch.stop + length, self._walk.units), n - len(keys))
        return keys

    def _hand_out(self, m: int, stop: int, n: int) -> list[TrialKey]:
        if n <= 0:
            return []
        end = int(self._stops[stop - 1])
        free = np.flatnonzero(~self._asked[m, :end] & (self._seen[m, :end] == _WAITING))[:n]
        self._asked[m, free] = True
        name, repeats = self._candidates[m].name, self._repeats
        return [
            TrialKey(candidate=name, sample=self._order[slot // repeats], repeat=slot % repeats)
            for slot in free.tolist()
        ]

    def tell(self, key: TrialKey, score: float | None) -> None:
        """Take a score in [0, 1], or None for a call that failed for no fault of the candidate.

        Order does not matter; the first score of a key counts and later ones are ignored. An unknown score is
        treated as anything in [0, 1], against whatever is being claimed. Raises DataError for an unknown
        candidate or sample and for a score outside [0, 1].
        """
        m, place = self._row.get(key.candidate, -1), self._place.get(key.sample, -1)
        if m < 0 or place < 0:
            what = f"candidate {key.candidate!r}" if m < 0 else f"sample {key.sample!r}"
            raise DataError(f"a score came for {what}, which is not in this race; start a new study for new items")
        if not 0 <= key.repeat < self._repeats:
            return
        slot = place * self._repeats + key.repeat
        if self._seen[m, slot] != _WAITING:
            return
        if score is None:
            self._seen[m, slot] = _FAILED
        else:
            if not 0.0 <= score <= 1.0:
                raise DataError(
                    f"score {score!r} of {key.candidate!r} on {key.sample!r} is outside [0, 1]; "
                    "rescale scores to 0 (wrong) .. 1 (right)"
                )
            self._scores[m, slot] = score
            self._seen[m, slot] = _TOLD
        self._told += 1
        self._stale = True

    def replay(self, trials: Iterable[tuple[TrialKey, float | None]]) -> None:
        """Tell many stored results; the same as telling each."""
        for key, score in trials:
            self.tell(key, score)

    def forget(self, keys: Iterable[TrialKey]) -> None:
        """Take back trials that were asked for and will not be run now, so that `ask` can give them again."""
        for key in keys:
            self._asked[self._row[key.candidate], self._place[key.sample] * self._repeats + key.repeat] = False

    def _advance(self) -> None:
        if not self._stale and self._walk.wanted:
            return
        self._stale = False
        walk = self._walk
        while not walk.finished:
            for stretch in walk.wanted:
                m, a, b = stretch.candidate, stretch.start, stretch.stop
                first = int(self._stops[a - 1]) if a else 0
                last = int(self._stops[b - 1])
                if not self._seen[m, first:last].all():
                    return
            for stretch in walk.wanted:
                self._fill(stretch.candidate, stretch.start, stretch.stop)
            walk.advance()

    def _fill(self, m: int, a: int, b: int) -> None:
        first, last = int(self._stops[a - 1]) if a else 0, int(self._stops[b - 1])
        starts = np.concatenate(([0], self._stops[a : b - 1] - first))
        low = self._scores[m, first:last] / self._repeats
        spare = (self._seen[m, first:last] == _FAILED) / self._repeats
        self._walk.low[m, a:b] = np.add.reduceat(low, starts)
        self._walk.high[m, a:b] = np.add.reduceat(low + spare, starts)

    def state(self) -> RaceState:
        """Return who is in, who is out and why."""
        self._advance()
        walk, names = self._walk, [c.name for c in self._candidates]
        dropped = [d for m in range(walk.count) if (d := self._dropped(m)) is not None]
        gone = {d.candidate for d in dropped}
        return RaceState(
            finished=walk.finished,
            chosen=names[walk.chosen] if walk.chosen is not None else None,
            focus=names[walk.focus] if walk.focus is not None else None,
            survivors=tuple(name for name in names if name not in gone),
            dropped=tuple(dropped),
            close=tuple(
                (names[j], names[k])
                for k in range(walk.count)
                for j in range(walk.count)
                if j != k and walk.close[j, k]
            ),
            used=int(sum(self._stops[r - 1] for r in walk.read[: walk.count] if r)),
            told=self._told,
            full_grid=self._scores.size,
        )

    def margin_shown(self, name: str, *, finite: bool) -> tuple[float, str | None]:
        """Return the smallest margin within which the candidate is shown to be of every rival, and the closest rival.

        `finite` True: on these items. False: for future items like these. 1.0 when nothing is shown.
        """
        self._advance()
        margin, who = self._walk.margin_shown(self._row[name], finite=finite)
        return margin, None if who is None else self._candidates[who].name

    def _dropped(self, m: int) -> Dropped | None:
        walk, name = self._walk, self._candidates[m].name
        if walk.unjudged[m]:
            return Dropped(candidate=name, reason="more than half of its first calls failed: it cannot be judged")
        if walk.stuck[m]:
            return Dropped(candidate=name, reason="all items were read and it is not settled whether it is good enough")
        j = walk.witness[m]
        if j is None:
            return None
        if j == walk.count:
            return Dropped(candidate=name, reason=f"its mean score is below the floor of {walk.rules.floor}")
        witness = self._candidates[j].name
        margin = 100 * walk.rules.margin
        return Dropped(candidate=name, reason=f"{witness} leads it by more than {margin:g} points", witness=witness)


def _check(candidates: Sequence[RaceCandidate], items: Sequence[RaceItem], goal: Goal, repeats: int) -> None:
    names = [c.name for c in candidates]
    if not names:
        raise ConfigError("a race got no candidates; name at least one")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"candidate {twice!r} is entered twice; give each candidate its own name")
    bad = next((c for c in candidates if not (np.isfinite(c.cost) and c.cost >= 0)), None)
    if bad is not None:
        raise ConfigError(f"the cost of {bad.name!r} is {bad.cost}; expected a number that is 0 or more")
    if not items:
        raise DataError("a race got no items; expected at least one")
    if len({item.id for item in items}) < len(items):
        seen: set[str] = set()
        twice = next(item.id for item in items if item.id in seen or seen.add(item.id))  # type: ignore[func-returns-value]
        raise DataError(f"item {twice!r} is there twice; give each item its own id, or remove the copy")
    check_goal(goal)
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}; expected 1 or more")


def check_goal(goal: Goal) -> None:
    """Raise ConfigError where margin, error levels, floor or certificate are not usable."""
    if not 0 <= goal.margin < 1:
        raise ConfigError(f"margin is {goal.margin}; expected a share in [0, 1), for example 0.03 for 3 points")
    for name, value in (("alpha_safe", goal.alpha_safe), ("alpha_overpay", goal.alpha_overpay)):
        if not 0 < value <= 1:
            raise ConfigError(f"{name} is {value}; expected a chance in (0, 1], for example 0.05")
    if goal.min_score is not None and not 0 <= goal.min_score <= 1:
        raise ConfigError(f"min_score is {goal.min_score}; expected a mean score in [0, 1]")
    if goal.certificate not in ("items", "future"):
        raise ConfigError(f"certificate is {goal.certificate!r}; expected 'items' or 'future'")


def shuffled_units(items: Sequence[RaceItem], seed: int) -> list[list[RaceItem]]:
    """Return the units in the common random order; it depends on the seed and the set of ids, not on their order."""
    units: dict[str, list[RaceItem]] = {}
    for item in sorted(items, key=lambda i: i.id):
        units.setdefault(f"c:{item.cluster}" if item.cluster is not None else f"i:{item.id}", []).append(item)
    names = sorted(units)
    return [units[names[i]] for i in np.random.default_rng(seed).permutation(len(names))]
