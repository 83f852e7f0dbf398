"""Answers as a table, and the comparisons claims are made of: paired by item, over several training runs.

A difference between two recipes has two sources of chance: which items were asked, and which training run one
happened to get. Both are in every interval: the item part is the clustered standard error of the per-item
difference; the run part is the spread between seeds of one recipe, pooled over all sizes that have seeds.
Where nothing has seeds, the interval is about these files and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from sizewise.claims.base import SKILLS, Group, skill_ref, task_name
from sizewise.records import Estimate, Source, Trial
from sizewise.stats.intervals import clustered_se

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of a training run's mean score around its recipe's, pooled over sizes."""

    variance: float
    df: int
    """0: nothing has seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Mean score of the first minus that of the second."""

    value: float
    se: float
    df: float
    items: int
    runs: int
    p_greater: float
    """One-sided p value of "the first is better"."""
    p_less: float

    def estimate(self, level: float = 0.95) -> Estimate:
        """Return the difference with its t interval."""
        from scipy.stats import t

        half = float(t.ppf(0.5 + level / 2, self.df)) * self.se if self.se < inf else inf
        detail = f"{100 * level:.4g} %, {self.items} items, {self.runs} training runs"
        return Estimate(
            value=self.value, low=max(-1.0, self.value - half), high=min(1.0, self.value + half),
            source=Source.MEASURED, detail=detail,
        )  # fmt: skip


_GENERAL = frozenset(task_name(skill_ref(skill, 1)) for skill in SKILLS)


class Results:
    """Scores of candidates on tasks, from stored trials.

    A failed request has no score and its item is left out of that candidate's comparisons, except where the
    prompt did not fit the context: that is a wrong answer.
    """

    def __init__(self, trials: Iterable[Trial]) -> None:
        self.trials = list(trials)
        self._scores: dict[tuple[str, str], dict[str, list[float]]] = {}
        self._clusters: dict[str, dict[str, str]] = {}
        self._means: dict[tuple[str, str], float] = {}
        self._spreads: dict[tuple[tuple[tuple[str, ...], ...], tuple[str, ...]], Spread] = {}
        for trial in self.trials:
            value = _value(trial)
            if value is None:
                continue
            self._scores.setdefault((trial.key.candidate, trial.task), {}).setdefault(trial.key.sample, []).append(
                value
            )
            self._clusters.setdefault(trial.task, {})[trial.key.sample] = trial.cluster or trial.key.sample

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that were answered, in order of appearance."""
        return tuple(dict.fromkeys(task for _, task in self._scores))

    @property
    def candidates(self) -> tuple[str, ...]:
        """Return the candidates that answered."""
        return tuple(dict.fromkeys(candidate for candidate, _ in self._scores))

    @property
    def general(self) -> tuple[str, ...]:
        """Return the tasks that stand for general ability: the shipped skills, else all that were answered."""
        return tuple(task for task in self.tasks if task in _GENERAL) or self.tasks

    def has(self, candidates: Sequence[str], task: str) -> bool:
        """Return whether all of the candidates answered the task."""
        return all((candidate, task) in self._scores for candidate in candidates)

    def common(self, groups: Sequence[Group], tasks: Sequence[str]) -> list[str]:
        """Return the tasks that all members of the groups answered."""
        return [task for task in tasks if all(self.has(group.candidates, task) for group in groups)]

    def mean(self, candidate: str, task: str) -> float:
        """Return the mean score; nan when nothing was answered."""
        key = (candidate, task)
        if key not in self._means:
            scores = self._scores.get(key, {})
            each = [sum(values) / len(values) for values in scores.values()]
            self._means[key] = sum(each) / len(each) if each else float("nan")
        return self._means[key]

    def per_item(self, group: Group, task: str) -> Mapping[str, float]:
        """Return each item's score, averaged over the group's runs; only items that all runs answered."""
        tables = [self._scores.get((candidate, task), {}) for candidate in group.candidates]
        shared = set(tables[0]).intersection(*tables[1:]) if tables else set()
        return {
            item: sum(sum(table[item]) / len(table[item]) for table in tables) / len(tables) for item in sorted(shared)
        }

    def halves(self, task: str) -> tuple[Results, Results]:
        """Return two tables with every other cluster of a task's items each; the first is for choosing."""
        order = {cluster: i for i, cluster in enumerate(sorted(set(self._clusters[task].values())))}
        own = [trial for trial in self.trials if trial.task == task]
        sides = [order[trial.cluster or trial.key.sample] % 2 for trial in own if _value(trial) is not None]
        scored = [trial for trial in own if _value(trial) is not None]
        first, second = ([t for t, side in zip(scored, sides, strict=True) if side == half] for half in (0, 1))
        return Results(first), Results(second)

    def count(self, candidates: Iterable[str], tasks: Iterable[str]) -> int:
        """Return how many scored answers the candidates gave on the tasks."""
        wanted, named = set(candidates), set(tasks)
        return sum(t.key.candidate in wanted and t.task in named for t in self.trials)

    def spread(self, groups: Sequence[Group], tasks: Sequence[str]) -> Spread:
        """Return the pooled variance between seeds of the mean score over the tasks, net of item noise.

        Seeds of one size answer the same items: the variance of their means is the run's own plus the interaction
        of run and item over the number of items (two-way layout). The second is in the item part of every
        difference already, so it is subtracted here; what is left is not less than zero.
        """
        key = (tuple(group.candidates for group in groups), tuple(tasks))
        if key not in self._spreads:
            parts = [self._between(group, tasks) for group in groups if len(group.subjects) > 1]
            df = sum(len(group.subjects) - 1 for group in groups if len(group.subjects) > 1)
            total = sum(parts)
            self._spreads[key] = Spread(variance=max(total / df, 0.0) if df else 0.0, df=df)
        return self._spreads[key]

    def _between(self, group: Group, tasks: Sequence[str]) -> float:
        """Return (runs - 1) times the net variance between the runs of one group."""
        means, noise = np.zeros(len(group.subjects)), 0.0
        for task in tasks:
            tables = [self._scores.get((name, task), {}) for name in group.candidates]
            shared = sorted(set(tables[0]).intersection(*tables[1:]))
            if len(shared) < 2:
                continue
            grid = np.array([[sum(table[item]) / len(table[item]) for item in shared] for table in tables])
            left = grid - grid.mean(1, keepdims=True) - grid.mean(0) + grid.mean()
            freedom = (len(tables) - 1) * (len(shared) - 1)
            means += grid.mean(1) / len(tasks)
            noise += float((left**2).sum()) / freedom / len(shared) / len(tasks) ** 2
        return (len(means) - 1) * (float(np.var(means, ddof=1)) - noise)

    def contrast(self, first: Group, second: Group, tasks: Sequence[str], seeds: Sequence[Group] = ()) -> Contrast:
        """Return first minus second, averaged over the tasks with equal weight.

        `seeds` are the groups whose spread between runs is pooled (usually the plain sizes).
        """
        if first.candidates == second.candidates:
            return Contrast(value=0.0, se=0.0, df=1.0, items=0, runs=len(first.subjects), p_greater=1.0, p_less=1.0)
        values, variances, degrees, items = [], [], [], 0
        for task in tasks:
            one, other = self.per_item(first, task), self.per_item(second, task)
            shared = [item for item in one if item in other]
            gaps = np.array([one[item] - other[item] for item in shared])
            clusters = [self._clusters[task][item] for item in shared]
            se, groups = clustered_se(gaps, clusters) if len(shared) > 1 else (inf, 1)
            values.append(float(gaps.mean()) if len(shared) else float("nan"))
            variances.append(max(se * se, _least_variance(len(shared))))
            degrees.append(max(groups - 1, 1))
            items += len(shared)
        return _combine(values, variances, degrees, items, first, second, self.spread(seeds, tasks))


def _combine(
    values: list[float], variances: list[float], degrees: list[int], items: int, first: Group, second: Group,
    spread: Spread,
) -> Contrast:  # fmt: skip
    """Return the contrast of task means: item variance plus run variance, Satterthwaite's degrees of freedom."""
    from scipy.stats import t

    count = len(values)
    parts = [(v / count**2, d) for v, d in zip(variances, degrees, strict=True)]
    runs = len(first.subjects) + len(second.subjects)
    if spread.variance > 0:
        parts.append((spread.variance * (1 / len(first.subjects) + 1 / len(second.subjects)), spread.df))
    variance = sum(v for v, _ in parts)
    value = float(np.mean(values))
    bottom = sum(v * v / d for v, d in parts)
    df = variance * variance / bottom if 0 < bottom < inf else float(max(degrees, default=1))
    se = sqrt(variance) if variance < inf else inf
    score = value / se if 0 < se < inf else 0.0
    greater = float(t.sf(score, df))
    return Contrast(value=value, se=se, df=df, items=items, runs=runs, p_greater=greater, p_less=1.0 - greater)


def _least_variance(items: int) -> float:
    """Return the variance below which a mean of `items` differences is not believed.

    All items equal shows no spread, not that there is none: Agresti and Min's half count in each cell of the
    two-by-two table gives 1 / (items + 2)^2.
    """
    return 1.0 / (items + 2) ** 2


def _value(trial: Trial) -> float | None:
    if trial.score is not None:
        return trial.score.value
    if trial.error is not None and trial.error.startswith(("context_lost", "client", "too_large")):
        return 0.0
    return None


def share(wins: Array) -> Estimate:
    """Return a share of cases with Wilson's 95 % interval.

    >>> share(np.array([1.0, 0.0, 1.0])).value > 0.5
    True
    """
    from sizewise.stats.intervals import wilson

    interval = wilson(float(wins.sum()), int(wins.size))
    return Estimate(
        value=interval.value, low=interval.low, high=interval.high, source=Source.MEASURED,
        detail=f"Wilson 95 % of {wins.size} cases",
    )  # fmt: skip


def holm_any(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects.

    >>> holm_any([0.01, 0.04, 0.03])
    [True, False, False]
    """
    from sizewise.stats.multiplicity import holm

    return [bool(p <= alpha) for p in holm(np.asarray(p_values, dtype=np.float64))] if p_values else []
