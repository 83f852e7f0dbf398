"""What is known of each published law: units, range, source, status, and where it puts the optimum.

`PUBLISHED` holds the laws whose constants were checked; a law whose constants could not be checked against
its paper is in `FORMS_ONLY`, without numbers. `opinions` asks every law for the tokens per parameter at a
compute; `default_draws` gives the uncertainty of the default law. Every arXiv number below was found beside the same
authors and title in reference lists of other public texts (checked 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import ConfigError
from sizewise.scaling import laws
from sizewise.scaling.laws import Additive

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One published law with what a reader needs to trust or distrust it."""

    key: str
    title: str
    form: str
    units: str
    source: str
    status: str
    """What it may be used for: default, comparison, warning."""
    verified: str
    surface: Additive | None = None
    constants: Mapping[str, float] | None = None
    flops_range: tuple[float, float] | None = None
    size_range: tuple[float, float] | None = None
    tokens_range: tuple[float, float] | None = None

    def inside(self, *, n: float | None = None, d: float | None = None, flops: float | None = None) -> bool:
        """Return whether size, tokens and compute lie in the range the law was fitted on; no range known: False."""
        if self.flops_range is None and self.size_range is None and self.tokens_range is None:
            return False
        pairs = ((n, self.size_range), (d, self.tokens_range), (flops, self.flops_range))
        return all(span[0] <= x <= span[1] for x, span in pairs if x is not None and span is not None)


def _law(key: str, title: str, form: str, units: str, source: str, status: str, verified: str, **rest: object) -> Law:
    return Law(
        key=key, title=title, form=form, units=units, source=source, status=status, verified=verified,
        **rest,  # type: ignore[arg-type]
    )  # fmt: skip


_ADD = "L = E + A/N^alpha + B/D^beta; compute C = 6 N D"
_NATS = "N parameters, D tokens, L nats per token"

PUBLISHED: dict[str, Law] = {
    law.key: law
    for law in (
        _law(
            "besiroglu2024", "Chinchilla, corrected", _ADD, _NATS,
            "Besiroglu, Erdil, Barnett, You 2024, arXiv 2404.10102",
            "default; its interval is always shown", "refitted from the 245 points (benchmarks/scaling_besiroglu.py)",
            surface=laws.BESIROGLU, flops_range=(1.39e18, 1.3e22),
            size_range=(5.7e7, 1.62e10), tokens_range=(8.1e8, 3.2e11),
        ),
        _law(
            "hoffmann2022", "Chinchilla, approach 3 as printed", _ADD, _NATS,
            "Hoffmann et al. 2022, arXiv 2203.15556; digits from the TeX source",
            "comparison: its optimizer stopped early and its intervals are some 50 times too narrow",
            "constants from the corrected study's notebook",
            surface=laws.HOFFMANN, flops_range=(1.4e18, 1.3e22), size_range=(7e7, 1.6e10), tokens_range=(5e9, 5e11),
        ),
        _law(
            "kaplan2020", "The first scaling laws", "L = [(Nc/N)^(aN/aD) + Dc/D]^aD; N_opt ~ C^0.73",
            "N without embedding, D tokens, nats per token of WebText2",
            "Kaplan et al. 2020, arXiv 2001.08361",
            "warning: superseded for choosing a size; its rule grows models far too fast with compute",
            "read in a secondary compilation of the paper",
            constants={"aN": 0.076, "aD": 0.103, "Nc": 6.4e13, "Dc": 1.8e13, "size_exponent": 0.73},
            size_range=(768, 1.5e9), tokens_range=(2.2e7, 2.3e10),
        ),
        _law(
            "muennighoff2023", "Repeated data",
            "L = E + A/N'^a + B/D'^a; D' = U + U R (1 - exp(-(epochs-1)/R)), N' alike", _NATS + ", U distinct tokens",
            "Muennighoff et al. 2023, arXiv 2305.16264",
            "repeated data: up to 4 epochs robust; the value of later epochs is not identified (R from 8 to 1000)",
            "objective of the published point reproduced (benchmarks/scaling_published.py)",
            surface=laws.MUENNIGHOFF, constants={"RD": 15.3878, "RN": 5.3097},
            size_range=(7.1e6, 8.7e9), tokens_range=(1e8, 9e11),
        ),
        _law(
            "gadre2024", "Over-training", "L = E + (a M^eta + b M^-eta) C^-eta, M = D/N; error = eps - k exp(-gamma L)",
            "N parameters, D tokens, nats per token of the C4 validation set; three training sets",
            "Gadre et al. 2024, arXiv 2403.08540", "comparison; shows that over-training moves loss predictably",
            "12 loss and 9 error constants refitted to 3 digits (benchmarks/scaling_published.py)",
            constants={f"{data}.{k}": v for data, row in laws.GADRE.items() for k, v in row.items()},
            size_range=(1.06e7, 6.9e9), tokens_range=(5.3e7, 9.2e11),
        ),
        _law(
            "clark2022", "Routed language models", "log L = a log N + b log E' + c log N log E' + d",
            "N parameters of the dense base, E' experts, saturating, 130 B tokens",
            "Clark et al. 2022, arXiv 2202.01169, table 3",
            "experts of 2022 (few, large); the vanishing gain at large N comes from the fixed 130 B tokens",
            "refitted: RL-R and HASH within 5 %, S-BASE weakly identified (benchmarks/scaling_published.py)",
            constants={f"{router}.{k}": v for router, row in laws.CLARK.items() for k, v in row.items()},
            size_range=(1.6e7, 1.31e9), tokens_range=(1.3e11, 1.3e11),
        ),
        _law(
            "krajewski2024", "Fine-grained experts", "L = c + (g/G^gamma + a)/N^alpha + b/D^beta at 64 experts",
            "N total parameters without embedding (our reading), G granularity",
            "Krajewski et al. 2024, arXiv 2402.07871",
            "fine-grained experts; floor c = 0.47 is far below every dense law", "read in a secondary compilation",
            surface=laws.KRAJEWSKI_DENSE, constants=dict(laws.KRAJEWSKI),
        ),
        _law(
            "sardana2024", "Serving-aware optimum", "min 6 N D + 2 N D_serve at a fixed L(N, D)", _NATS,
            "Sardana et al. 2024, arXiv 2401.00448", "method; its examples use Hoffmann's constants",
            "examples reproduced within 2 % (benchmarks/scaling_sardana.py)",
            surface=laws.SARDANA, flops_range=(1.4e18, 1.3e22), size_range=(7e7, 1.6e10), tokens_range=(5e9, 5e11),
        ),
        _law(
            "devries2023", "Overhead of a non-optimal size", "A/(kN*)^alpha + B/(mD*)^beta constant; overhead km - 1",
            _NATS,
            "de Vries 2023, Go smol or go home", "method; the overhead depends on k only",
            "closed form checked against iso-loss curves in the tests",
            surface=laws.DE_VRIES, flops_range=(1.4e18, 1.3e22),
        ),
        _law(
            "llama3_2024", "Llama 3 compute-optimal rule", "D* = 0.299 C^0.537", "D tokens, C FLOP",
            "Dubey et al. 2024, arXiv 2407.21783", "comparison", "read in a secondary compilation",
            constants={"factor": 0.299, "exponent": 0.537},
        ),
        _law(
            "deepseek2024", "DeepSeek LLM rule", "M* = 0.1715 C^0.5243, D* = 5.8316 C^0.4757",
            "M non-embedding FLOP per token, D tokens, C = M D", "DeepSeek-AI 2024, arXiv 2401.02954", "comparison",
            "read in a secondary compilation",
            constants={"m_factor": 0.1715, "m_exponent": 0.5243, "d_factor": 5.8316, "d_exponent": 0.4757},
        ),
        _law(
            "minicpm2024", "MiniCPM", "D*/N = 192 on average", _NATS, "Hu et al. 2024, arXiv 2404.06395", "comparison",
            "read in a secondary compilation", constants={"alpha": 0.29, "beta": 0.23, "ratio": 192.0},
        ),
    )
}  # fmt: skip
"""Laws that ship with numbers, by key."""

FORMS_ONLY: dict[str, str] = {
    "farseer2025": "cross terms between N and D; its optimal tokens per parameter rise with compute",
    "kumar2024": "precision-aware: post-training harm grows with D/N and falls exponentially with bits",
    "ouyang2024": "quantization harm = k D^b / (N^a bits^g), one study of one family",
    "busbridge2025": "distillation: student loss from teacher loss, student size and distilled tokens",
    "ludziejewski2025": "joint law of dense and expert models",
}
"""Laws known by their form only: their constants were not checked against the paper, so none ship."""

REFITS: dict[str, tuple[float, float, float]] = {
    "IsoFLOP points of figure 4": (22, 12, 7),
    "ml-scalefit runs": (22, 20, 18),
    "Llama 3 IsoFLOP points": (16, 12, 10),
    "Marin, Comma data": (13, 54, 228),
    "Marin, DCLM data": (10, 32, 106),
    "Marin, Nemotron data": (10, 28, 82),
    "FineWeb-C4 runs": (16, 12, 8),
}
"""Tokens per parameter at 1e20, 1e22, 1e24 FLOP when our fit is run on other groups' published runs (November 2026).

Near 1e20, inside the data, all say 10 to 22; four decades out they span 7 to 228."""

_COVARIANCE = (
    (6.46777590e-02, -2.47613018e-02, 2.13608676e-03, 3.85531170e-03, -1.24345939e-03),
    (-2.47613018e-02, 1.75655560e-01, 3.67715171e-03, -1.54418321e-03, 8.58944176e-03),
    (2.13608676e-03, 3.67715171e-03, 2.00580975e-04, 1.26091849e-04, 1.79161443e-04),
    (3.85531170e-03, -1.54418321e-03, 1.26091849e-04, 2.30118293e-04, -7.75960191e-05),
    (-1.24345939e-03, 8.58944176e-03, 1.79161443e-04, -7.75960191e-05, 4.20296882e-04),
)
_CENTRE = (6.1566092, 7.73155844, 0.59713372, 0.34656483, 0.37005881)
"""Covariance and mean of (log A, log B, log E, alpha, beta) over 8,000 bootstrap refits of the corrected fit
(`benchmarks/scaling_besiroglu.py` repeats them); their normal approximation stands for the law's uncertainty."""


@lru_cache(maxsize=1)
def default_draws(count: int = 2000) -> Array:
    """Return draws (count, 5) of (E, A, B, alpha, beta) of the default law; the same at every call.

    >>> default_draws().shape
    (2000, 5)
    """
    normal = np.random.default_rng(2404).multivariate_normal(_CENTRE, np.array(_COVARIANCE), size=count)
    log_a, log_b, log_e, alpha, beta = normal.T
    return np.stack([np.exp(log_e), np.exp(log_a), np.exp(log_b), alpha, beta], axis=1)


def find_law(key: str) -> Law:
    """Return a published law by key; raises ConfigError with the known keys.

    >>> find_law("besiroglu2024").surface.alpha
    0.3478
    """
    if key not in PUBLISHED:
        raise ConfigError(f"no law {key!r}; expected one of {', '.join(PUBLISHED)}. See `sizewise scaling laws`.")
    return PUBLISHED[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one law says to a question, and whether the question lies in its range."""

    law: str
    value: float
    inside: bool
    note: str = ""


def _surface_ratio(surface: Additive) -> Callable[[float], float]:
    def ratio(flops: float) -> float:
        n, d = surface.optimum(flops)
        return d / n

    return ratio


def _refit_ratio(at: tuple[float, float, float]) -> Callable[[float], float]:
    def ratio(flops: float) -> float:
        return float(np.exp(np.interp(log(flops), [log(1e20), log(1e22), log(1e24)], np.log(at))))

    return ratio


def _llama3(flops: float) -> float:
    tokens = 0.299 * flops**0.537
    return float(6.0 * tokens * tokens / flops)


def _deepseek(flops: float) -> float:
    size = 0.1715 * flops**0.5243 / 6.0
    return float(5.8316 * flops**0.4757 / size)


def _holds(law: Law, flops: float, ratio: float) -> bool:
    n = (flops / (6.0 * ratio)) ** 0.5
    return law.inside(n=n, d=ratio * n, flops=flops)


def ratio_opinions(flops: float) -> tuple[Opinion, ...]:
    """Return every law's tokens per parameter of least loss at `flops`, the default law first.

    >>> ratio_opinions(1e21)[0].law
    'besiroglu2024'
    """
    known: list[tuple[str, Callable[[float], float], str]] = [
        (key, _surface_ratio(law.surface), law.status)
        for key, law in PUBLISHED.items()
        if law.surface is not None and key not in ("sardana2024", "devries2023")
    ]
    known += [
        ("llama3_2024", _llama3, "comparison"),
        ("deepseek2024", _deepseek, "comparison; N = M/6"),
        ("minicpm2024", lambda _: 192.0, "comparison; an average over sizes"),
    ]
    said = [
        Opinion(law=key, value=ratio(flops), inside=_holds(PUBLISHED[key], flops, ratio(flops)), note=note)
        for key, ratio, note in known
    ]
    said += [
        Opinion(
            law=f"gadre2024 ({data})",
            value=laws.gadre_ratio(data),
            inside=_holds(PUBLISHED["gadre2024"], flops, laws.gadre_ratio(data)),
            note="the same at every compute",
        )
        for data in laws.GADRE
    ]
    inside = 1e18 <= flops <= 1e22
    said += [
        Opinion(law=f"refit: {name}", value=_refit_ratio(at)(flops), inside=inside, note="between 1e20 and 1e24 only")
        for name, at in REFITS.items()
        if 1e20 <= flops <= 1e24
    ]
    return tuple(said)
