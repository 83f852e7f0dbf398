"""The front of score against cost, and how sure it is who is on it. Pure arrays.

A contender is on the front when no other costs at most as much and scores at least as well, one of the two strictly.
Not covered: more than two axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sizewise.stats.intervals import codes

_CHUNK = 50


def on_front(costs: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
    """Return who is on the front; `scores` may carry leading axes, e.g. one row a bootstrap draw.

    >>> on_front([1.0, 2.0, 3.0], [0.5, 0.4, 0.9]).tolist()
    [True, False, True]
    """
    cost, score = np.asarray(costs, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    no_dearer = cost[:, None] <= cost[None, :]
    cheaper = cost[:, None] < cost[None, :]
    as_good = score[..., :, None] >= score[..., None, :]
    better = score[..., :, None] > score[..., None, :]
    beaten = np.asarray(no_dearer & as_good & (cheaper | better)).any(axis=-2)
    return np.logical_not(beaten)


def front_probability(
    costs: ArrayLike, scores: ArrayLike, clusters: ArrayLike | None = None, seed: int = 0, draws: int = 400
) -> NDArray[np.float64]:
    """Return each contender's probability of being on the front, by a paired bootstrap over items (clusters).

    `costs` has shape (K,), `scores` (K, N) with NaN for missing answers. A contender without answers gets 0.

    >>> front_probability([1.0, 2.0], [[0.0] * 20 + [1.0] * 20, [0.0] * 19 + [1.0] * 21]).round(1).tolist()
    [1.0, 0.6]
    """
    x = np.asarray(scores, dtype=np.float64)
    code = codes(clusters, x.shape[1])
    groups = int(code.max()) + 1
    seen = ~np.isnan(x)
    totals = np.array([np.bincount(code, weights=row, minlength=groups) for row in np.where(seen, x, 0.0)])
    counts = np.array([np.bincount(code, weights=row, minlength=groups) for row in seen.astype(np.float64)])
    rng = np.random.default_rng(seed)
    hits = np.zeros(x.shape[0])
    for first in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - first)
        weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(np.float64)
        answered = weights @ counts.T
        means = np.where(answered > 0, (weights @ totals.T) / np.maximum(answered, 1), -1.0)
        hits += (on_front(costs, means) & (answered > 0)).sum(axis=0)
    return hits / draws
