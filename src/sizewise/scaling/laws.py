"""Published scaling laws: constants as data with units, range and source, and the functions they define.

Every law is `L = ...` in nats per token of *its own* data and tokenizer, so that losses of two laws are never
compared; what is compared is where each puts the optimum and how steep it is. `published.py` says for each law
its units, range, source and status.

Does not cover sparsity laws with unclear signs (joint MoE laws), densing statistics, or downstream scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log


@dataclass(frozen=True, slots=True, kw_only=True)
class Additive:
    """The additive law L(N, D) = e + a / N^alpha + b / D^beta (nats per token, parameters, tokens)."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, n: float, d: float) -> float:
        """Return the predicted loss, nats per token.

        >>> round(BESIROGLU.loss(70e9, 1.4e12), 3)
        1.974
        """
        return float(self.e + self.a / n**self.alpha + self.b / d**self.beta)

    @property
    def size_exponent(self) -> float:
        """Return the power of compute by which the optimal size grows: beta / (alpha + beta)."""
        return self.beta / (self.alpha + self.beta)

    def optimum(self, flops: float) -> tuple[float, float]:
        """Return (parameters, tokens) of least loss at `flops` = 6 N D (Hoffmann et al. 2022).

        >>> n, d = BESIROGLU.optimum(1e21)
        >>> round(d / n, 1)
        21.6
        """
        g = (self.alpha * self.a / (self.beta * self.b)) ** (1.0 / (self.alpha + self.beta))
        n = g * (flops / 6.0) ** self.size_exponent
        return float(n), float(flops / (6.0 * n))

    def flops_for_size(self, n: float) -> float:
        """Return the compute at which n is the optimal size.

        >>> round(BESIROGLU.optimum(BESIROGLU.flops_for_size(7e9))[0] / 1e9, 6)
        7.0
        """
        g = (self.alpha * self.a / (self.beta * self.b)) ** (1.0 / (self.alpha + self.beta))
        return float(6.0 * (n / g) ** (1.0 / self.size_exponent))

    def tokens_for(self, loss: float, n: float) -> float:
        """Return the tokens with which size n reaches `loss`; infinity when it never does."""
        rest = loss - self.e - self.a / n**self.alpha
        return float((self.b / rest) ** (1.0 / self.beta)) if rest > 0 else float("inf")

    def flops_for(self, loss: float) -> float:
        """Return the least compute (FLOP) that reaches `loss`; infinity below the law's floor.

        >>> round(BESIROGLU.flops_for(BESIROGLU.loss(*BESIROGLU.optimum(1e21))) / 1e21, 6)
        1.0
        """
        if loss <= self.e:
            return float("inf")
        low, high = log(1e6), log(1e40)
        for _ in range(200):
            middle = 0.5 * (low + high)
            if self.loss(*self.optimum(exp(middle))) > loss:
                low = middle
            else:
                high = middle
        return exp(0.5 * (low + high))


BESIROGLU = Additive(e=1.8172, a=482.01, b=2085.43, alpha=0.3478, beta=0.3658)
"""Besiroglu et al. 2024: the corrected fit of Hoffmann's third approach, on 240 points of figure 4."""

HOFFMANN = Additive(e=1.69337, a=406.4, b=410.72, alpha=0.33917, beta=0.28491)
HOFFMANN_ROUNDED = Additive(e=1.69, a=406.4, b=410.7, alpha=0.34, beta=0.28)
SARDANA = Additive(e=1.69, a=406.4, b=410.7, alpha=0.336, beta=0.283)
DE_VRIES = Additive(e=1.62, a=406.4, b=410.7, alpha=0.336, beta=0.283)
MUENNIGHOFF = Additive(e=1.8691, a=520.82, b=1487.7, alpha=0.35266, beta=0.35266)
KRAJEWSKI_DENSE = Additive(e=0.47, a=16.3, b=26.7, alpha=0.126, beta=0.127)

GADRE: dict[str, dict[str, float]] = {
    "c4": {"e": 1.508, "a": 141.3, "b": 189.5, "eta": 0.121, "top": 0.85, "k": 2.08, "gamma": 0.756},
    "redpajama": {"e": 1.837, "a": 212.2, "b": 366.7, "eta": 0.136, "top": 0.857, "k": 2.21, "gamma": 0.715},
    "refinedweb": {"e": 1.734, "a": 157.1, "b": 246.2, "eta": 0.127, "top": 0.865, "k": 2.21, "gamma": 0.707},
}  # fmt: skip
"""Gadre et al. 2024: L(C, M) = e + (a M^eta + b M^-eta) C^-eta, M = D / N; error = top - k exp(-gamma L)."""

CLARK: dict[str, dict[str, float]] = {
    "s-base": {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "start": 1.847, "max": 314.478},
    "rl-r": {"a": -0.083, "b": -0.126, "c": 0.012, "d": 1.111, "start": 1.88, "max": 469.982},
    "hash": {"a": -0.087, "b": -0.136, "c": 0.012, "d": 1.157, "start": 4.175, "max": 477.741},
}
"""Clark et al. 2022, table 3: routed models at a fixed 130 B tokens."""

KRAJEWSKI = {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58, "c": 0.47}
"""Krajewski et al. 2024: L = c + (g / G^gamma + a) / N^alpha + b / D^beta, 64 experts, granularity G."""

SARDANA_TABLE: dict[str, Additive] = {
    "up to 100 tokens per parameter": Additive(e=0.17, a=7.199, b=25.97, alpha=0.08, beta=0.13),
    "up to 250 tokens per parameter": Additive(e=0.98, a=14.23, b=39.54, alpha=0.13, beta=0.16),
    "up to 500 tokens per parameter": Additive(e=0.95, a=17.07, b=35.80, alpha=0.13, beta=0.16),
    "up to 10,000 tokens per parameter": Additive(e=1.45, a=33.66, b=138.9, alpha=0.18, beta=0.24),
}
"""Sardana et al. 2024, table 1: the same form refitted on ever longer runs; the constants move a lot."""


def muennighoff_loss(n: float, d: float, unique: float, r_d: float = 15.3878, r_n: float = 5.3097) -> float:
    """Return the loss of size n after d tokens of which `unique` are distinct (Muennighoff et al. 2023).

    Up to four epochs are nearly as good as fresh data in every fit; the value of later epochs (`r_d`) is not
    identified by their runs: refits with r_d from 8 to 1000 are within 1 % of the best objective.

    >>> muennighoff_loss(1e9, 4e10, 1e10) > muennighoff_loss(1e9, 4e10, 4e10)
    True
    """
    law = MUENNIGHOFF
    seen = min(d, unique)
    tokens = seen + seen * r_d * (1.0 - exp(-(max(d / seen, 1.0) - 1.0) / r_d))
    g = (law.alpha * law.a / (law.beta * law.b)) ** (1.0 / (law.alpha + law.beta))
    useful = min(n, g * (g * seen) ** (law.beta / law.alpha) if law.alpha != law.beta else g * g * seen)
    size = useful + useful * r_n * (1.0 - exp(-(max(n / useful, 1.0) - 1.0) / r_n))
    return float(law.e + law.a / size**law.alpha + law.b / tokens**law.beta)


def repeated_tokens(unique: float, epochs: float, r_d: float = 15.3878) -> float:
    """Return how many fresh tokens `epochs` passes over `unique` tokens are worth (Muennighoff et al. 2023).

    >>> round(repeated_tokens(1.0, 4), 1)
    3.7
    """
    return unique * (1.0 + r_d * (1.0 - exp(-(max(epochs, 1.0) - 1.0) / r_d)))


def gadre_loss(n: float, d: float, data: str = "redpajama") -> float:
    """Return the loss of Gadre et al. 2024 for size n and d tokens on one of `GADRE`'s data sets.

    >>> round(gadre_loss(1.4e9, 28e9), 2)
    2.79
    """
    g = GADRE[data]
    m = d / n
    return float(g["e"] + (g["a"] * m ** g["eta"] + g["b"] * m ** -g["eta"]) * (6.0 * n * d) ** -g["eta"])


def gadre_error(loss: float, data: str = "redpajama") -> float:
    """Return the mean top-1 error over Gadre's 17 tasks at a loss; single tasks do not follow it."""
    g = GADRE[data]
    return g["top"] - g["k"] * exp(-g["gamma"] * loss)


def gadre_ratio(data: str) -> float:
    """Return the tokens per parameter of least loss, the same at every compute in this form.

    >>> round(gadre_ratio("redpajama"), 1)
    7.5
    """
    g = GADRE[data]
    return float((g["b"] / g["a"]) ** (1.0 / (2.0 * g["eta"])))


def clark_experts(experts: float, start: float, top: float) -> float:
    """Return the saturated number of experts (Clark et al. 2022): start at one expert, top at infinity."""
    return 1.0 / (1.0 / (experts - 1.0 + 1.0 / (1.0 / start - 1.0 / top)) + 1.0 / top)


def clark_dense_equivalent(n: float, experts: float, router: str = "s-base") -> float:
    """Return the dense size with the loss of n parameters routed over `experts` (effective parameter count).

    Fitted at 130 B tokens for all sizes, so that the vanishing gain at hundreds of billions is an artefact.

    >>> 2.5e9 < clark_dense_equivalent(1.3e9, 64) < 4e9
    True
    """
    k = CLARK[router]
    routed, alone = (log(clark_experts(e, k["start"], k["max"]), 10) for e in (experts, 1.0))
    level = (k["a"] + k["c"] * routed) * log(n, 10) + k["b"] * (routed - alone)
    return float(10.0 ** (level / (k["a"] + k["c"] * alone)))


def krajewski_loss(n: float, d: float, granularity: float = 1.0) -> float:
    """Return the loss of a 64-expert model of n total parameters (Krajewski et al. 2024).

    That n is the total is our reading: with active parameters the same constants put every mixture under a dense
    model of equal active size, against the paper's finding.
    """
    k = KRAJEWSKI
    return float(k["c"] + (k["g"] / granularity ** k["gamma"] + k["a"]) / n ** k["alpha"] + k["b"] / d ** k["beta"])


def krajewski_dense_equivalent(n: float, d: float, granularity: float = 1.0) -> float:
    """Return the dense size with the loss of a 64-expert model of n total parameters after d tokens.

    >>> 3e9 < krajewski_dense_equivalent(30e9, 1e12, 1) < krajewski_dense_equivalent(30e9, 1e12, 8) < 30e9
    True
    """
    law = KRAJEWSKI_DENSE
    rest = krajewski_loss(n, d, granularity) - law.e - law.b / d**law.beta
    return float((law.a / rest) ** (1.0 / law.alpha)) if rest > 0 else float("inf")


def kaplan_loss(n: float, d: float) -> float:
    """Return the loss of Kaplan et al. 2020 (n without embedding). Never use it for sizing.

    >>> 2.0 < kaplan_loss(1e9, 2e10) < 3.0
    True
    """
    return float(((6.4e13 / n) ** (0.076 / 0.103) + 1.8e13 / d) ** 0.103)


def de_vries_overhead(size_ratio: float, law: Additive = DE_VRIES, flops: float = 1e21) -> float:
    """Return the extra compute share to keep the optimal loss with size_ratio times the optimal size.

    Infinity when no amount of data makes up for the size (de Vries 2023, "Go smol or go home").

    >>> round(de_vries_overhead(0.5), 2)
    0.21
    """
    n, d = law.optimum(flops)
    tokens = law.tokens_for(law.loss(n, d), size_ratio * n)
    return size_ratio * tokens / d - 1.0
