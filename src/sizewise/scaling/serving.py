"""The serving-aware optimum: the size and tokens of least lifetime compute at a fixed quality.

Sardana et al. 2024: minimize 6 N D + 2 N D_served subject to L(N, D) = l. A model that will serve many tokens
should be smaller and trained longer than the training-only optimum. Does not price prompts and answers
differently, nor utilization: those are prices, and the cost commands know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log

import numpy as np

from sizewise.errors import ConfigError
from sizewise.scaling.answers import Answer, Basis, default_basis, require_positive
from sizewise.scaling.laws import Additive
from sizewise.scaling.published import PUBLISHED, Opinion
from sizewise.units import format_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """One way to reach a quality and serve it."""

    n: float
    d: float
    flops: float
    """Training plus serving, FLOP."""


def lifetime(law: Additive, loss: float, n: float, served: float) -> Lifetime:
    """Return the tokens and total compute for size n to reach `loss` and serve `served` tokens."""
    d = law.tokens_for(loss, n)
    return Lifetime(n=n, d=d, flops=6.0 * n * d + 2.0 * n * served if d < inf else inf)


def optimum(law: Additive, loss: float, served: float) -> Lifetime:
    """Return the lifetime of least compute (golden section on log N; the objective has one minimum).

    >>> from sizewise.scaling.laws import SARDANA
    >>> quality = SARDANA.loss(*SARDANA.optimum(SARDANA.flops_for_size(13e9)))
    >>> round(optimum(SARDANA, quality, 2e12).n / 1e9, 1)
    7.0
    """
    if loss <= law.e:
        raise ConfigError(f"loss {loss:g} is at or under the law's floor {law.e:g}; ask for a higher loss")
    low = log((law.a / (loss - law.e)) ** (1.0 / law.alpha)) + 1e-9
    high = low + log(1e6)
    golden = 0.5 * (5**0.5 - 1.0)
    for _ in range(200):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if lifetime(law, loss, exp(left), served).flops < lifetime(law, loss, exp(right), served).flops:
            high = right
        else:
            low = left
    return lifetime(law, loss, exp(0.5 * (low + high)), served)


def break_even(law: Additive, loss: float, small: float, large: float) -> float:
    """Return the served tokens from which training the smaller size longer pays; infinity when it never can."""
    d_small, d_large = law.tokens_for(loss, small), law.tokens_for(loss, large)
    if not (d_small < inf and d_large < inf) or small >= large:
        return inf
    return max(0.0, 3.0 * (small * d_small - large * d_large) / (large - small))


def serving(
    served: float,
    *,
    n: float | None = None,
    tokens: float | None = None,
    flops: float | None = None,
    small: float | None = None,
    basis: Basis | None = None,
) -> Answer:
    """Return the serving-aware optimum at the quality of a stated model, and how much compute it saves.

    The quality is that of size n trained on `tokens` (compute-optimally when not given), or of the optimum for
    `flops`. `served` is the lifetime of tokens, prompts and answers together; `small` asks for that size's
    break-even volume. Raises ConfigError when neither or both of n and flops are given.

    >>> serving(2e12, n=13e9).estimates["parameters"].value < 13e9
    True
    """
    basis = basis or default_basis()
    require_positive(served=served, n=n, tokens=tokens, flops=flops, small=small)
    if (n is None) == (flops is None):
        raise ConfigError(
            "expected either --params (with or without --tokens) or --flops, to say which quality is meant"
        )

    def target(law: Additive) -> tuple[float, float]:
        return law.optimum(flops) if flops is not None else _quality(law, n or 0.0, tokens)

    goal = target(basis.law)
    point = _figures(basis.law, goal, served)
    some = basis.laws(300)
    drawn = np.array([_figures(law, target(law), served) for law in some])
    estimates = {key: basis.estimate(point[i], drawn[:, i]) for i, key in enumerate(_KEYS)}
    if small is not None:
        values = [_break_even_from(law, target(law), small) for law in some]
        estimates["break_even_tokens"] = basis.estimate(_break_even_from(basis.law, goal, small), np.array(values))
    return Answer(
        question=f"Which size serves {format_count(served)} tokens at the quality of {format_count(goal[0])} "
        f"parameters on {format_count(goal[1])} tokens?",
        words=f"{format_count(point[0])} parameters on {format_count(point[1])} tokens: "
        f"{100 * point[3]:.0f} % less compute over its life.",
        estimates=estimates,
        units=_KEYS | {"break_even_tokens": "served tokens"},
        inside=basis.covers(6.0 * goal[0] * goal[1]) and basis.covers(6.0 * point[0] * point[1]),
        opinions=_opinions(n, tokens, flops, served),
        opinion_of="parameters",
        caveats=_CAVEATS,
        sources=(PUBLISHED["sardana2024"].source, basis.reference),
        next_step=f"sizewise scaling trained --params {point[0]:.3g} --tokens {point[1]:.3g}",
    )


_KEYS = {
    "parameters": "parameters",
    "tokens": "tokens",
    "lifetime_flops": "FLOP",
    "saving": "share of lifetime compute",
}
_CAVEATS = (
    "counts FLOP only: prices, utilization and memory-bound decoding move the optimum, mostly to smaller sizes still",
    "assumes one law from 20 to thousands of tokens per parameter; refits on longer runs move alpha from 0.08 to 0.18",
)


def _quality(law: Additive, n: float, tokens: float | None) -> tuple[float, float]:
    return n, tokens if tokens is not None else law.flops_for_size(n) / (6.0 * n)


def _figures(law: Additive, goal: tuple[float, float], served: float) -> tuple[float, float, float, float]:
    """Return size, tokens, lifetime compute and the share of it saved against the goal's own shape."""
    best = optimum(law, law.loss(*goal), served)
    before = 6.0 * goal[0] * goal[1] + 2.0 * goal[0] * served
    return best.n, best.d, best.flops, 1.0 - best.flops / before


def _break_even_from(law: Additive, goal: tuple[float, float], small: float) -> float:
    return break_even(law, law.loss(*goal), small, goal[0])


def _opinions(n: float | None, tokens: float | None, flops: float | None, served: float) -> tuple[Opinion, ...]:
    said = []
    for key in ("besiroglu2024", "hoffmann2022", "sardana2024", "muennighoff2023"):
        published = PUBLISHED[key]
        if published.surface is None:
            continue
        law = published.surface
        size, data, _, _ = _figures(law, law.optimum(flops) if flops else _quality(law, n or 0.0, tokens), served)
        said.append(Opinion(law=key, value=size, inside=published.inside(n=size, d=data)))
    return tuple(said)
