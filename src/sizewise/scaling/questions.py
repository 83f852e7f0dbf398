"""The questions people ask of a scaling law, each answered with a range, the laws that disagree, and sources.

Every answer is an `Answer`: named estimates, what each law says to the main figure, whether the question lies
in the range the law was fitted on, and what to do next. Does not predict task scores: a loss is not a score.
"""

from __future__ import annotations

from math import log

import numpy as np

from sizewise.records import Estimate, Source
from sizewise.scaling import laws
from sizewise.scaling.answers import TASK_NOTE, Answer, Basis, default_basis, require_positive, stated
from sizewise.scaling.fitting import losses, optimal_size
from sizewise.scaling.laws import BESIROGLU, Additive
from sizewise.scaling.published import PUBLISHED, Opinion, ratio_opinions
from sizewise.units import format_count

FAR = 30.0
"""Beyond this multiple of the fitted compute the range is widened to what all laws say."""
_KAPLAN = (
    "Kaplan's rule (size ~ compute^0.73) is superseded: for ten times the compute it would take 5.4 times the size"
)
_OVER = "over-trained is cheap to serve, not bad: training compute was traded for size; but such weights quantize worse"


def optimal(flops: float, basis: Basis | None = None) -> Answer:
    """Return the compute-optimal size and tokens for a training budget of `flops`.

    >>> ratio = optimal(1e21).estimates["tokens_per_parameter"]
    >>> 15 < ratio.low < 22 < ratio.high < 31
    True
    """
    basis = basis or default_basis()
    require_positive(flops=flops)
    n, d = basis.law.optimum(flops)
    size = optimal_size(basis.draws, flops)
    said = ratio_opinions(flops)
    estimates = {
        "parameters": basis.estimate(n, size),
        "tokens": basis.estimate(d, flops / (6.0 * size)),
        "tokens_per_parameter": basis.estimate(d / n, flops / (6.0 * size * size)),
        "loss": basis.estimate(basis.law.loss(n, d), losses(basis.draws, size, flops / (6.0 * size))),
    }
    caveats: tuple[str, ...] = (TASK_NOTE, _KAPLAN)
    if flops > FAR * basis.flops_range[1] or flops < basis.flops_range[0] / FAR:
        estimates |= _widened(estimates["tokens_per_parameter"], flops, said)
        caveats = (f"over {FAR:.0f} times outside the fitted compute: the range is all that the laws say", *caveats)
    return Answer(
        question=f"Which size and how many tokens for {flops:.3g} training FLOP?",
        words=f"About {format_count(n)} parameters on {format_count(d)} tokens ({d / n:.0f} tokens per parameter).",
        estimates=estimates,
        units=_UNITS,
        inside=basis.covers(flops),
        opinions=said,
        opinion_of="tokens_per_parameter",
        caveats=caveats,
        sources=(basis.reference,),
        next_step=f"sizewise scaling serving --params {n:.3g} --served 1T   (served much: smaller is better)",
    )


_UNITS = {
    "parameters": "parameters", "tokens": "tokens", "tokens_per_parameter": "tokens/parameter", "loss": "nats/token",
    "optimal_parameters": "parameters", "optimal_tokens_per_parameter": "tokens/parameter", "times_optimal": "x",
    "loss_above_optimal": "nats/token", "tokens_per_total_parameter": "tokens/parameter",
}  # fmt: skip


def _widened(ratio: Estimate, flops: float, said: tuple[Opinion, ...]) -> dict[str, Estimate]:
    """Return ratio, size and tokens with the range that all laws' ratios span."""
    low, high = min(ratio.low, *(o.value for o in said)), max(ratio.high, *(o.value for o in said))

    def make(value: float, ends: tuple[float, float]) -> Estimate:
        detail = f"{ratio.detail}; widened to every law's value"
        return Estimate(value=value, low=min(ends), high=max(ends), source=ratio.source, detail=detail)

    def size(r: float) -> float:
        return float((flops / (6.0 * r)) ** 0.5)

    return {
        "tokens_per_parameter": make(ratio.value, (low, high)),
        "parameters": make(size(ratio.value), (size(low), size(high))),
        "tokens": make(ratio.value * size(ratio.value), (low * size(low), high * size(high))),
    }


def trained(n_active: float, tokens: float, n_total: float | None = None, basis: Basis | None = None) -> Answer:
    """Return whether a model is under- or over-trained: its tokens per active parameter against the optimum.

    The loss penalty compares with the compute-optimal model of the same training compute 6 N D.

    >>> trained(8e9, 15e12).words.startswith("Over-trained")
    True
    """
    basis = basis or default_basis()
    require_positive(parameters=n_active, tokens=tokens, total=n_total)
    flops = 6.0 * n_active * tokens
    best = optimal(flops, basis)
    ratio, fair = tokens / n_active, best.estimates["tokens_per_parameter"]
    size = optimal_size(basis.draws, flops)
    gap = losses(basis.draws, n_active, tokens) - losses(basis.draws, size, flops / (6.0 * size))
    estimates = {
        "tokens_per_parameter": stated(ratio),
        "optimal_tokens_per_parameter": fair,
        "times_optimal": Estimate(
            value=ratio / fair.value,
            low=ratio / fair.high,
            high=ratio / fair.low,
            source=fair.source,
            detail=fair.detail,
        ),
        "loss_above_optimal": basis.estimate(
            basis.law.loss(n_active, tokens) - basis.law.loss(*basis.law.optimum(flops)), gap
        ),
        "optimal_parameters": best.estimates["parameters"],
    }
    if n_total is not None and n_total != n_active:
        estimates["tokens_per_total_parameter"] = stated(tokens / n_total)
    kind = _kind(ratio, fair)
    return Answer(
        question=f"Of {format_count(n_active)} active parameters: are {format_count(tokens)} tokens too few or many?",
        words=f"{kind}: {ratio:,.3g} tokens per active parameter; least loss for that compute is at "
        f"{fair.low:.3g} to {fair.high:.3g}.",
        estimates=estimates,
        units=_UNITS,
        inside=best.inside,
        opinions=best.opinions,
        opinion_of="optimal_tokens_per_parameter",
        caveats=((_OVER,) if ratio > fair.high else ()) + best.caveats,
        sources=best.sources,
        next_step=f"sizewise scaling what-if --params {n_active:.3g} --tokens {tokens:.3g}",
    )


def _kind(ratio: float, fair: Estimate) -> str:
    if ratio < fair.low:
        return "Under-trained"
    return "Over-trained (for its training compute alone)" if ratio > fair.high else "Near compute-optimal"


def what_if(n: float, tokens: float, basis: Basis | None = None) -> Answer:
    """Return what 2x parameters, 2x data or 2x compute (split well) would take off the loss, nats per token.

    >>> gains = what_if(1e9, 2e10).estimates
    >>> gains["double_compute"].value < gains["double_parameters"].value + gains["double_data"].value
    True
    """
    basis = basis or default_basis()
    require_positive(parameters=n, tokens=tokens)
    factors = np.exp(np.linspace(0.0, log(2.0), 65))
    split = min(((n * k, tokens * 2.0 / k) for k in factors), key=lambda pair: basis.law.loss(*pair))
    moves = {"double_parameters": (2 * n, tokens), "double_data": (n, 2 * tokens), "double_compute": split}
    here, drawn = basis.law.loss(n, tokens), losses(basis.draws, n, tokens)
    gains = {
        key: basis.estimate(here - basis.law.loss(*to), drawn - losses(basis.draws, *to)) for key, to in moves.items()
    }
    better = "parameters" if gains["double_parameters"].value > gains["double_data"].value else "data"
    split_note = f"best split of 2x compute: {split[0] / n:.2f}x parameters, {split[1] / tokens:.2f}x tokens"
    return Answer(
        question=f"What would twice as much buy at {format_count(n)} parameters and {format_count(tokens)} tokens?",
        words=f"Doubling {better} takes off more loss: {gains['double_parameters'].value:.3g} for parameters, "
        f"{gains['double_data'].value:.3g} for data; doubling compute {gains['double_compute'].value:.3g}.",
        estimates={"loss": basis.estimate(here, drawn), **gains},
        units=dict.fromkeys(("loss", *gains), "nats/token"),
        inside=basis.covers(6.0 * n * tokens),
        opinions=_doubling_opinions(n, tokens),
        opinion_of="double_data",
        caveats=(TASK_NOTE, split_note),
        sources=(basis.reference,),
        next_step="sizewise scaling prior --ratio 2   (how often twice the size wins on a task)",
    )


def _doubling_opinions(n: float, tokens: float) -> tuple[Opinion, ...]:
    """Return what each law says doubling the data takes off; its losses are of its own data."""
    return tuple(
        Opinion(
            law=law.key,
            value=law.surface.loss(n, tokens) - law.surface.loss(n, 2 * tokens),
            inside=law.inside(n=n, d=tokens, flops=6.0 * n * tokens),
            note="nats per token of its own data",
        )
        for law in PUBLISHED.values()
        if law.surface is not None and law.key not in ("sardana2024", "devries2023")
    )


def overhead(size_ratio: float, basis: Basis | None = None) -> Answer:
    """Return the extra training compute to keep the optimal loss at size_ratio times the optimal size.

    >>> round(overhead(0.5).estimates["overhead"].value, 2)
    0.26
    """
    basis = basis or default_basis()
    require_positive(size_ratio=size_ratio)
    rivals: list[tuple[str, Additive]] = [
        ("besiroglu2024", BESIROGLU), ("hoffmann2022", laws.HOFFMANN), ("devries2023", laws.DE_VRIES),
    ]  # fmt: skip
    point = laws.de_vries_overhead(size_ratio, basis.law)
    drawn = np.array([laws.de_vries_overhead(size_ratio, law) for law in basis.laws(400)])
    return Answer(
        question=f"What does the same loss cost at {size_ratio:g} times the optimal size?",
        words=f"{100 * point:.0f} % more training compute, whatever the budget.",
        estimates={"overhead": basis.estimate(point, drawn)},
        units={"overhead": "share of training compute"},
        inside=0.25 <= size_ratio <= 4,
        opinions=tuple(
            Opinion(law=key, value=laws.de_vries_overhead(size_ratio, law), inside=0.25 <= size_ratio <= 4)
            for key, law in rivals
        ),
        opinion_of="overhead",
        caveats=(TASK_NOTE,),
        sources=(PUBLISHED["devries2023"].source, basis.reference),
        next_step="sizewise scaling serving --params 7B --served 1T",
    )


def repeated(unique: float, epochs: float) -> Answer:
    """Return how many fresh tokens `epochs` passes over `unique` tokens are worth.

    The range runs from the fastest decay that the published runs allow (6.6) to none at all: the value of late
    epochs is not identified by them.

    >>> worth = repeated(1e9, 4).estimates["fresh_tokens"]
    >>> 3e9 < worth.low < worth.value < worth.high <= 4e9
    True
    """
    require_positive(unique=unique, epochs=epochs)
    law = PUBLISHED["muennighoff2023"]
    point, low = laws.repeated_tokens(unique, epochs), laws.repeated_tokens(unique, epochs, 6.6)
    detail = "decay constant from 6.6 to none, 95 % bootstrap of the published runs"
    worth = Estimate(value=point, low=low, high=max(point, unique * epochs), source=Source.PUBLISHED, detail=detail)
    return Answer(
        question=f"What are {epochs:g} passes over {format_count(unique)} tokens worth?",
        words=f"About {format_count(point)} fresh tokens ({100 * point / (unique * epochs):.0f} % of new data).",
        estimates={"fresh_tokens": worth},
        units={"fresh_tokens": "tokens"},
        inside=law.inside(d=unique * epochs) and epochs <= 4,
        opinions=tuple(
            Opinion(law=f"{law.key}, decay {r:g}", value=laws.repeated_tokens(unique, epochs, r), inside=epochs <= 4)
            for r in (6.6, 15.3878, 95.0)
        ),
        opinion_of="fresh_tokens",
        caveats=("up to 4 passes are robust; later ones are not identified, and may hurt a model that overfits",),
        sources=(law.source,),
        next_step="sizewise scaling optimal --flops 1e21",
    )
