"""What quantization, pruning and distillation are expected to do to quality, as far as evidence says.

Harm of quantization is read off measured curves of perplexity against bits for four models, given as the range
over the models, narrower when some were trained at similar tokens per parameter. Laws of this harm are known
by form only (`published.FORMS_ONLY`); they also disagree with the curves on whether larger models suffer less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

from sizewise.errors import ConfigError
from sizewise.records import Estimate, Source
from sizewise.scaling.answers import Answer, require_positive
from sizewise.scaling.published import FORMS_ONLY, Opinion

_TOP_BITS = 6.6
"""Above these bits every measured curve is flat, so that its last point stands for more bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantPoint:
    """One measured quantization: growth of log perplexity over 16 bit."""

    model: str
    quantization: str
    bits: float
    """Average bits per weight of the file."""
    harm: float
    """log(perplexity) minus log(perplexity at 16 bit), nats per token."""
    tokens_per_parameter: float
    imatrix: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One published case of pruning, distillation or another reality check."""

    kind: str
    case: str
    numbers: str
    source: str
    verified: str


def quantization_harm(bits: float, points: Sequence[QuantPoint], tokens_per_parameter: float | None = None) -> Answer:
    """Return the range of growth in log perplexity at `bits` per weight, over the measured models.

    `points` come from `sizewise.data.scaling.quant_points`. With `tokens_per_parameter`, models within a factor
    of four count; when there are fewer than two, all do. Models not measured at so few bits say nothing.
    Raises ConfigError for bits that are not positive.
    """
    require_positive(bits=bits, tokens_per_parameter=tokens_per_parameter)
    if not points:
        raise ConfigError("no measured quantization to read from; expected the shipped points")
    curves = {name: [p for p in points if p.model == name] for name in dict.fromkeys(p.model for p in points)}
    near = {name: curve for name, curve in curves.items() if _similar(curve[0], tokens_per_parameter)}
    used = near if len(near) >= 2 else curves
    said = [_opinion(name, curve, bits) for name, curve in curves.items()]
    measured = [opinion for opinion in said if opinion.law in used and (opinion.inside or bits > _TOP_BITS)]
    harms = sorted(opinion.value for opinion in measured or said)
    middle = exp(sum(log(max(h, 1e-5)) for h in harms) / len(harms))
    return Answer(
        question=f"What does {bits:g} bits per weight cost?",
        words=f"Perplexity grows by {100 * (exp(harms[0]) - 1):.1f} to {100 * (exp(harms[-1]) - 1):.1f} %"
        f" over {len(harms)} models.",
        estimates={
            "log_perplexity_growth": Estimate(
                value=middle, low=harms[0], high=harms[-1], source=Source.PUBLISHED,
                detail=f"lowest to highest of {len(harms)} measured models, geometric middle",
            )
        },
        units={"log_perplexity_growth": "nats/token"},
        inside=len(measured) >= 2 and (tokens_per_parameter is None or len(near) >= 2),
        opinions=tuple(said),
        opinion_of="log_perplexity_growth",
        caveats=_caveats(bits, len(near) >= 2 or tokens_per_parameter is None),
        sources=tuple(dict.fromkeys(p.source for p in points)),
        next_step="sizewise check --only quantization   (the ranking at equal memory, measured)",
    )  # fmt: skip


def _similar(point: QuantPoint, ratio: float | None) -> bool:
    return ratio is None or 0.25 <= point.tokens_per_parameter / ratio <= 4


def _opinion(name: str, curve: Sequence[QuantPoint], bits: float) -> Opinion:
    """Return one model's harm at `bits`: log-linear between its best files of each size, never rising with bits."""
    ordered = sorted(curve, key=lambda p: p.bits)
    least = np.minimum.accumulate([max(p.harm, 1e-5) for p in ordered])
    value = exp(float(np.interp(bits, [p.bits for p in ordered], np.log(least))))
    inside = ordered[0].bits <= bits <= ordered[-1].bits
    return Opinion(law=name, value=value, inside=inside, note=f"{ordered[0].tokens_per_parameter:.0f} tokens/parameter")


def _caveats(bits: float, matched: bool) -> tuple[str, ...]:
    caveats = [
        "perplexity, not tasks: reasoning suffers before knowledge does; measure yours",
        "larger was not safer: at Q3_K_M log perplexity grew .172 for a 70B and .078 for an 8B of one family",
        "longer training made it worse: at Q2_K perplexity x1.11 at 297 tokens per parameter, x1.57 at 1,868",
        f"laws known by form only, no numbers shipped: {FORMS_ONLY['ouyang2024']}",
    ]
    if bits < 2.5:
        caveats.insert(0, "under 2.5 bits harm explodes and differs most between models")
    if not matched:
        caveats.insert(0, "no two measured models have similar tokens per parameter: the range is that of all")
    return tuple(caveats)


def evidence_on(kind: str, rows: Sequence[Evidence]) -> Answer:
    """Return what published cases say of pruning or distillation, and the experiment that would tell here."""
    kinds = {"distillation": ("distilled",), "pruning": ("distilled", "better_trained")}
    if kind not in kinds:
        raise ConfigError(f"no evidence page for {kind!r}; expected one of {', '.join(kinds)}")
    found = [row for row in rows if row.kind in kinds[kind] and (kind == "distillation" or "Sheared" in row.case)]
    return Answer(
        question=f"What does the evidence say of {kind}?",
        words=f"{len(found)} published cases: a smaller {_DID[kind]} can beat a larger one on what it was made for.",
        estimates={},
        units={},
        inside=False,
        caveats=(
            *(f"{row.case}: {row.numbers}" for row in found),
            "cases chosen because they were published; no law with checked constants",
        ),
        sources=tuple(dict.fromkeys(row.source for row in found)),
        next_step=_EXPERIMENT[kind],
    )


_DID = {"distillation": "distilled model", "pruning": "pruned and healed model"}
_EXPERIMENT = {
    "distillation": "sizewise check --only specialist   (a distilled and a narrow one against the generalist)",
    "pruning": "sizewise check --only specialist   (shows a pruned one beside plain sizes near it)",
}
