"""What a cluster of related items says: consistency and worst case. Pure.

For rephrasings and counterfactual pairs the mean hides what matters: whether all forms get the same treatment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """Over clusters of two and more answered items."""

    clusters: int
    mean: float
    """Mean score, every cluster counted once."""
    worst: float
    """Mean over clusters of the lowest score in each: what a user meets who happens on the unlucky form."""
    consistent: float
    """Share of clusters whose items all got the same score."""


def summarize(scored: Iterable[tuple[str | None, float]]) -> ClusterSummary | None:
    """Return the summary of (cluster, score) pairs; None when no cluster has two items.

    >>> summarize([("a", 1.0), ("a", 0.0), ("b", 1.0), ("b", 1.0)])
    ClusterSummary(clusters=2, mean=0.75, worst=0.5, consistent=0.5)
    """
    groups: dict[str, list[float]] = defaultdict(list)
    for cluster, value in scored:
        if cluster is not None:
            groups[cluster].append(value)
    kept = [values for values in groups.values() if len(values) > 1]
    if not kept:
        return None
    return ClusterSummary(
        clusters=len(kept),
        mean=sum(sum(values) / len(values) for values in kept) / len(kept),
        worst=sum(min(values) for values in kept) / len(kept),
        consistent=sum(max(values) - min(values) < 1e-9 for values in kept) / len(kept),
    )


def gaps(scored: Iterable[tuple[str | None, str, float]]) -> Mapping[str, float]:
    """Return, from (cluster, form, score), each form's mean score minus the mean of its clusters.

    >>> gaps([("a", "plain", 1.0), ("a", "typos", 0.0)])
    {'plain': 0.5, 'typos': -0.5}
    """
    rows = [row for row in scored if row[0] is not None]
    groups: dict[str, list[float]] = defaultdict(list)
    for cluster, _, value in rows:
        groups[str(cluster)].append(value)
    differences: dict[str, list[float]] = defaultdict(list)
    for cluster, form, value in rows:
        values = groups[str(cluster)]
        differences[form].append(value - sum(values) / len(values))
    return {form: sum(values) / len(values) for form, values in differences.items()}
