"""The dense size that a mixture of experts equals: an interval per task, from measured pairs.

A model of T total and A active parameters is placed on the line between them: N_eq = A^(1-w) T^w. The common
rule sqrt(T A) is w = 1/2; measured values run from 0.25 (few large experts, 2022) to about 1 (fine-grained,
2025-26), and differ by task inside one model. Does not know the training tokens of the twins, nor distillation.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from sizewise.errors import ConfigError
from sizewise.records import Estimate, Source
from sizewise.scaling.answers import Answer, require_positive
from sizewise.scaling.laws import clark_dense_equivalent, krajewski_dense_equivalent
from sizewise.scaling.published import PUBLISHED, Opinion
from sizewise.units import format_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A mixture placed between dense models of its family on one task."""

    model: str
    total: float
    active: float
    task: str
    dense_equivalent: float
    source: str

    @property
    def weight(self) -> float:
        """Return w of N_eq = A^(1-w) T^w."""
        return log(self.dense_equivalent / self.active) / log(self.total / self.active)


_GEMMA, _QWEN35, _QWEN3 = (
    ("Gemma-4 26B-A4B", 25.2e9, 3.8e9),
    ("Qwen3.5-35B-A3B", 35e9, 3.1e9),
    ("Qwen3-30B-A3B", 30.5e9, 3.0e9),
)
_CLARK = ("1.3B base, 64 experts", 28.6e9, 1.3e9)
_CARD = "vendor scores of the family's dense models, interpolated in log size (our calculation, November 2026)"


def _rows(model: tuple[str, float, float], source: str, **dense: float) -> list[Pair]:
    name, total, active = model
    return [
        Pair(model=name, total=total, active=active, task=task, dense_equivalent=size * 1e9, source=source)
        for task, size in dense.items()
    ]


EVIDENCE: tuple[Pair, ...] = (
    *_rows(_GEMMA, _CARD, mmlu_pro=22, gpqa=25.2, tau2=19, bbeh=20, livecodebench=25, codeforces=16),
    *_rows(_QWEN35, _CARD, mmlu_pro=22, supergpqa=20, gpqa=19, livecodebench=18, ifeval=11),
    *_rows(_QWEN3, "Qwen3 report: equals the 14B on MMLU, below it on MATH", mmlu=14),
    *_rows(("17.5B, 0.855B active", 17.5e9, 0.855e9), "Tian et al. 2025, arXiv 2507.17702", loss=6.1),
    *_rows(_CLARK, PUBLISHED["clark2022"].source + ", lowest router", loss_2022=2.6),
    *_rows(_CLARK, PUBLISHED["clark2022"].source + ", highest router", loss_2022=3.9),
)
"""Measured places between active and total; a place above the total is written as the total."""


def dense_equivalent(total: float, active: float, task: str | None = None, tokens: float | None = None) -> Answer:
    """Return the interval of dense sizes that a mixture of `total` and `active` parameters equals on a task.

    With `tokens` of training, Krajewski's law for fine-grained experts speaks too. Without a task, or for one
    without evidence, the interval is that of all evidence. Raises ConfigError when active is not below total.

    >>> size = dense_equivalent(30e9, 3e9).estimates["dense_equivalent"]
    >>> 3e9 < size.low < size.high <= 30e9
    True
    """
    require_positive(total=total, active=active, tokens=tokens)
    if active >= total:
        raise ConfigError(f"active {active:g} is not below total {total:g}; a dense model is its own equivalent")
    own = [pair for pair in EVIDENCE if pair.task == task]
    used = own or list(EVIDENCE)
    sizes = sorted(_place(total, active, pair.weight) for pair in used)
    middle = sizes[len(sizes) // 2] if len(sizes) % 2 else (sizes[len(sizes) // 2 - 1] * sizes[len(sizes) // 2]) ** 0.5
    low, high = (sizes[0], sizes[-1]) if len(own) != 1 else _around_one(total, active, own[0])
    return Answer(
        question=f"Which dense size equals {format_count(total)} total, {format_count(active)} active"
        + (f" on {task}?" if task else "?"),
        words=f"Between {format_count(low)} and {format_count(high)}; the square-root rule says "
        f"{format_count((total * active) ** 0.5)} and is contradicted in both directions.",
        estimates={
            "dense_equivalent": Estimate(
                value=middle, low=low, high=high, source=Source.PUBLISHED,
                detail=f"lowest to highest of {len(used)} measured pairs" + ("" if own else ", all tasks"),
            )
        },
        units={"dense_equivalent": "parameters"},
        inside=bool(own) and 4 <= total / active <= 25,
        opinions=_opinions(total, active, used, tokens),
        opinion_of="dense_equivalent",
        caveats=_caveats(task, bool(own)),
        sources=tuple(dict.fromkeys(pair.source for pair in used)),
        next_step="sizewise check --only experts   (total against active on the shipped models)",
    )  # fmt: skip


def _place(total: float, active: float, weight: float) -> float:
    return float(min(total, active ** (1.0 - weight) * total**weight))


def _around_one(total: float, active: float, pair: Pair) -> tuple[float, float]:
    """Return the range for a single pair: the spread over tasks inside one model is about twofold."""
    middle = _place(total, active, pair.weight)
    return max(active, middle / 2**0.5), min(total, middle * 2**0.5)


def _opinions(total: float, active: float, used: list[Pair], tokens: float | None) -> tuple[Opinion, ...]:
    said = [Opinion(law="square-root rule", value=(total * active) ** 0.5, inside=False, note="no paper; contradicted")]
    experts = max(2.0, total / active)
    value = clark_dense_equivalent(active, experts)
    inside = PUBLISHED["clark2022"].inside(n=active)
    said.append(Opinion(law="clark2022 (s-base)", value=value, inside=inside, note=f"taking {experts:.0f} experts"))
    if tokens is not None:
        for grain in (1, 8):
            size = krajewski_dense_equivalent(total, tokens, grain)
            said.append(Opinion(law=f"krajewski2024, granularity {grain}", value=size, inside=False, note="64 experts"))
    said += [
        Opinion(law=f"{pair.model}, {pair.task}", value=_place(total, active, pair.weight), inside=True)
        for pair in used
    ]
    return tuple(said)


def _caveats(task: str | None, known: bool) -> tuple[str, ...]:
    tasks = ", ".join(dict.fromkeys(pair.task for pair in EVIDENCE))
    caveats = [
        "vendor scores mix thinking modes, saturation and distillation; inside one model tasks spread twofold",
        "memory follows total parameters, speed follows active ones, whatever the quality",
    ]
    if task and not known:
        caveats.insert(0, f"no evidence for {task!r}: the range is that of all tasks; known are {tasks}")
    return tuple(caveats)
