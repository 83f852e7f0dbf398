"""What quantization costs in quality, where somebody measured and published it.

Perplexity and KL divergence on WikiText-2 of Llama 1 and 3, from llama.cpp's pull requests 1684 and 6745 and its
perplexity README (MIT). Small models and code lose more than these numbers say; measure your own task. Not covered:
methods other than GGUF mixes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PATH = Path(__file__).parent.parent / "data" / "catalog_quality.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLoss:
    """One published measurement of a file mix against the 16-bit file."""

    model: str
    mix: str
    imatrix: bool
    perplexity: float
    log_ratio: float
    """ln(perplexity / perplexity of the 16-bit file); 0 is no loss."""
    kl_divergence: float | None
    """Mean KL divergence from the 16-bit file's next-token distribution, nats."""
    source: str


@lru_cache(maxsize=1)
def published_losses() -> tuple[QualityLoss, ...]:
    """Return all published measurements that ship.

    >>> min(loss.log_ratio for loss in published_losses() if loss.mix == "Q4_K_M") > 0
    True
    """
    with _PATH.open(encoding="utf-8", newline="") as file:
        return tuple(
            QualityLoss(
                model=row["model"],
                mix=row["mix"],
                imatrix=row["imatrix"] == "1",
                perplexity=float(row["perplexity"]),
                log_ratio=float(row["log_ratio"]),
                kl_divergence=float(row["kl_divergence"]) if row["kl_divergence"] else None,
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


def loss_range(mix: str) -> tuple[float, float] | None:
    """Return the smallest and largest published growth of perplexity for a mix, as shares; None where unmeasured."""
    from math import expm1

    found = [expm1(loss.log_ratio) for loss in published_losses() if loss.mix == mix]
    return (min(found), max(found)) if found else None
