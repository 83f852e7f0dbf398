"""Is bigger better here? Trend, reversals, and the first size after which more gains nothing that matters.

A race asks some contenders less than others: means are over what each answered, neighbours are compared on the items
that both answered, the trend on those that all did.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sizewise.records import Evidence, Goal, SizeFinding
from sizewise.stats.intervals import clustered_se
from sizewise.stats.trend import isotonic, page_trend, reversal_p_values
from sizewise.verdict.table import Floats, Table, read_table


def bigger_is_better(evidence: Evidence | Sequence[Evidence], goal: Goal) -> SizeFinding | None:
    """Return the finding for one task, or for several with the same contenders taken together.

    None where fewer than two contenders of known size share items.
    """
    if isinstance(evidence, Evidence):
        return size_finding(read_table(evidence), goal)
    tables = [read_table(one) for one in evidence]
    names = sorted(set.intersection(*(set(t.names) for t in tables))) if tables else []
    if len(names) < 2:
        return None
    scores = np.concatenate([t.scores[[t.names.index(n) for n in names]] for t in tables], axis=1)
    sizes = {c.name: c.size for t in tables for c in t.contenders}
    return _finding(names, [sizes[n] for n in names], scores, None, goal)


def size_finding(table: Table, goal: Goal) -> SizeFinding | None:
    """Return the finding over the table's contenders of known size; None below two."""
    return _finding(list(table.names), [c.size for c in table.contenders], table.scores, table.clusters, goal)


def _finding(
    names: Sequence[str], sizes: Sequence[float | None], scores: Floats, clusters: np.ndarray | None, goal: Goal
) -> SizeFinding | None:
    known = sorted((size, m) for m, size in enumerate(sizes) if size is not None and not np.isnan(scores[m]).all())
    rows = [m for _, m in known]
    if len(rows) < 2 or known[0][0] == known[-1][0]:
        return None
    x = scores[rows].T
    common = ~np.isnan(x).any(axis=1)
    if not common.any():
        return None
    mean = np.nanmean(x, axis=0)
    ladder = [names[m] for m in rows]
    reversals = reversal_p_values(x, clusters)
    trend = page_trend(x[common])
    later_gain = np.array(
        [float(mean[i + 1 :].max() - mean[i]) if i + 1 < mean.size else 0.0 for i in range(mean.size)]
    )
    first = ladder[int(np.flatnonzero(later_gain <= goal.margin + 1e-9)[0])]
    shown = tuple((ladder[i], ladder[i + 1], float(p)) for i, p in enumerate(reversals) if p <= 0.05)
    return SizeFinding(
        names=tuple(ladder),
        scores=tuple(mean.tolist()),
        fitted=tuple(isotonic(mean).tolist()),
        trend_p=trend.p_value,
        reversals=shown,
        bigger_wins=tuple(_wins(x[:, i + 1] - x[:, i], clusters) for i in range(len(rows) - 1)),
        first_enough=first,
        summary=_summary(ladder, mean, (trend.p_value, int(common.sum())), shown, first, goal),
    )


def _wins(difference: Floats, clusters: np.ndarray | None) -> float:
    """Return the probability that the mean difference is above zero for items like these (normal, flat prior).

    NaN marks items that one of the two did not answer. Where all differences are equal there is no spread to go by:
    the chance then is of a flat prior on the share of items that go that way, 1 - 2^-(n+1) for n items.
    """
    from scipy.special import ndtr

    seen = ~np.isnan(difference)
    difference, clusters = difference[seen], None if clusters is None else clusters[seen]
    if not difference.size:
        return 0.5
    se, _ = clustered_se(difference, clusters)
    mean = float(difference.mean())
    if se == 0 or not np.isfinite(se):
        doubt = 0.5 ** (difference.size + 1)
        return 0.5 if mean == 0 else 1 - doubt if mean > 0 else doubt
    return float(ndtr(mean / se))


def _summary(
    ladder: Sequence[str],
    mean: Floats,
    trend: tuple[float, int],
    shown: Sequence[tuple[str, str, float]],
    first: str,
    goal: Goal,
) -> str:
    p, items = trend
    grows = "scores grow with size" if p <= 0.05 else "no growth of scores with size is shown"
    parts = [f"{grows} (Page's trend test, p = {p:.2g}, {len(ladder)} sizes on {items} items that all answered)"]
    if shown:
        parts.append("; ".join(f"{small} beats the bigger {big} (p = {q:.2g}, Holm)" for small, big, q in shown))
    else:
        parts.append("no smaller neighbour is shown to be better")
    best = ladder[int(np.argmax(mean))]
    tied = float(mean[-1]) >= float(mean.max()) - 1e-12
    biggest = f"the best is {best}, not the biggest"
    if tied:
        biggest = "the biggest scores best" if best == ladder[-1] else f"the biggest scores as {best} does"
    parts.append(f"{biggest}; from {first} on, more size gains at most {100 * goal.margin:g} points")
    return "; ".join(parts)
