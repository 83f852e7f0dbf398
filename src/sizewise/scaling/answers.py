"""What an answer to a scaling question holds: estimates, dissent, range, sources; and the law it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import ConfigError
from sizewise.records import Estimate, Source
from sizewise.scaling.fitting import Fit
from sizewise.scaling.laws import BESIROGLU, Additive
from sizewise.scaling.published import PUBLISHED, Opinion, default_draws

Array = NDArray[np.float64]

TASK_NOTE = "loss is not a task score: of 46 tasks 11 follow loss closely, 22 hardly, 11 in reverse (104 public runs)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer with its range, its dissent and its sources."""

    question: str
    words: str
    """The answer in one sentence."""
    estimates: Mapping[str, Estimate]
    units: Mapping[str, str]
    inside: bool
    """The question lies in the range of compute, size and tokens of the law that answers."""
    opinions: tuple[Opinion, ...] = ()
    opinion_of: str = ""
    """Which estimate the opinions are about."""
    caveats: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A law with its uncertainty: the default published one, or the user's own fit."""

    law: Additive
    draws: Array
    """(R, 5): E, A, B, alpha, beta."""
    name: str
    source: Source
    flops_range: tuple[float, float]
    reference: str
    """Where the law comes from, for the reader."""

    def laws(self, most: int) -> list[Additive]:
        """Return up to `most` of the drawn laws."""
        return [
            Additive(e=float(e), a=float(a), b=float(b), alpha=float(alpha), beta=float(beta))
            for e, a, b, alpha, beta in self.draws[:most]
        ]

    def estimate(self, point: float, values: Array) -> Estimate:
        """Return the point with the middle 95 % of the draws' values; infinite values widen the upper end."""
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        low, high = ordered[int(0.025 * (ordered.size - 1))], ordered[-1 - int(0.025 * (ordered.size - 1))]
        return Estimate(
            value=point,
            low=float(min(low, point)),
            high=float(max(high, point)),
            source=self.source,
            detail=f"95 %, {self.name}",
        )

    def covers(self, flops: float) -> bool:
        """Return whether a compute lies in the range the law was fitted on."""
        return self.flops_range[0] <= flops <= self.flops_range[1]


def default_basis() -> Basis:
    """Return the default law: Hoffmann's form with the corrected constants and their bootstrap uncertainty."""
    law = PUBLISHED["besiroglu2024"]
    return Basis(
        law=BESIROGLU,
        draws=default_draws(),
        name=law.key,
        source=Source.PUBLISHED,
        flops_range=law.flops_range or (0.0, 0.0),
        reference=law.source,
    )


def basis_of(fit: Fit) -> Basis:
    """Return the user's own fit as the law to answer with."""
    return Basis(
        law=fit.constants,
        draws=fit.draws,
        name=f"fit of {fit.runs.name}",
        source=Source.MEASURED,
        flops_range=(float(fit.runs.flops.min()), float(fit.runs.flops.max())),
        reference=f"{len(fit.runs)} runs of {fit.runs.name}",
    )


def stated(value: float, detail: str = "as stated") -> Estimate:
    """Return a number that was given, not estimated."""
    return Estimate(value=value, low=value, high=value, source=Source.PUBLISHED, detail=detail)


def require_positive(**values: float | None) -> None:
    """Raise ConfigError for a given value that is not a finite number above 0; None is not given."""
    for name, value in values.items():
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name} is {value:g}; expected a finite number above 0, for example 1e21 or 7B")
