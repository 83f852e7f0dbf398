"""Judge all models in all quantizations at once: what fits, how fast, which to try first. Never by parameter count.

A model's quantization is the one with the most bits, up to Q8_0, that fits and is fast enough: published
perplexities of Q8_0 and F16 files differ by at most 0.03 % (`data/catalog_quality.csv`), at twice the bytes. Models are
ordered by published results where the caller names a test, else the newest first, then the fastest. What no published
number says is left to a measurement. Not covered: quality on the user's task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

from sizewise.prediction.catalog_facts import CatalogEntry, catalog_shapes, mix_facts
from sizewise.prediction.facts import ModelFacts
from sizewise.prediction.placement import DoesNotFit, Placement, Plan, place
from sizewise.prediction.predict import speeds
from sizewise.records import Machine, Workload

WHOLE = frozenset({"F16"})
"""Mixes that nobody needs where Q8_0 can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One shape in one mix on this machine: placed and timed, or why not. Speeds are per request."""

    mix: str
    facts: ModelFacts
    placement: Placement | None
    decode_tokens_per_s: float | None
    answer_s: float | None
    why_not: str = ""
    missing_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One catalog model with the quantization chosen for it; `judged` is the best that does not fit otherwise."""

    entry: CatalogEntry
    judged: Judged
    fast_enough: bool

    @property
    def fits(self) -> bool:
        """It has a placement."""
        return self.judged.placement is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the user asks of a candidate."""

    workload: Workload
    plan: Plan
    min_tokens_per_s: float = 5.0
    """About reading speed; slower answers are kept, but after the others."""


def judge_shapes(machine: Machine, demand: Demand, wanted: frozenset[str] | None = None) -> dict[str, list[Judged]]:
    """Return shape key -> every mix judged; `wanted` limits the shapes, vLLM runs the 16-bit weights as they are."""
    found: dict[str, list[Judged]] = {}
    for key, shape, mixes in catalog_shapes():
        if wanted is None or key in wanted:
            chosen = {"BF16": mixes["F16"]} if demand.plan.engine == "vllm" else mixes
            found[key] = [_judge(mix, mix_facts(shape, rows), machine, demand) for mix, rows in chosen.items()]
    return found


def _judge(mix: str, facts: ModelFacts, machine: Machine, demand: Demand) -> Judged:
    placement = place(facts, machine, demand.plan)
    if isinstance(placement, DoesNotFit):
        return Judged(
            mix=mix, facts=facts, placement=None, decode_tokens_per_s=None, answer_s=None,
            why_not=placement.reason, missing_bytes=placement.missing_bytes,
        )  # fmt: skip
    found = speeds(facts, machine, placement, demand.plan, demand.workload)
    rate = answer = None
    if found is not None:
        rate = 1 / found.step.seconds
        answer = found.prompt.seconds + (demand.workload.output_tokens - 1) * found.step.seconds
    return Judged(mix=mix, facts=facts, placement=placement, decode_tokens_per_s=rate, answer_s=answer)


def _choose(judged: Sequence[Judged], demand: Demand) -> tuple[Judged, bool]:
    """Return the mix with the most bits that fits and is fast enough; else the fastest that fits; else the smallest."""
    small = [own for own in judged if own.mix not in WHOLE]
    fitting = [own for own in small or judged if own.placement is not None]
    if not fitting:
        return min(judged, key=lambda own: own.facts.weight_bytes), False
    fast = [own for own in fitting if (own.decode_tokens_per_s or 0.0) >= demand.min_tokens_per_s]
    if fast:
        return max(fast, key=lambda own: own.facts.weight_bytes), True
    return max(fitting, key=lambda own: own.decode_tokens_per_s or 0.0), False


def rank(
    entries: Iterable[CatalogEntry],
    judged: Mapping[str, Sequence[Judged]],
    demand: Demand,
    *,
    evidence: str | None = None,
) -> list[Option]:
    """Return one option a model: fitting and fast enough first, then by published result, release date and speed.

    Models trained to answer come before the bare ones of the same date (`-Base` in the name).
    """
    needed = demand.workload.prompt_tokens + demand.workload.output_tokens
    options = []
    for entry in entries:
        if entry.shape not in judged or (entry.context_tokens and entry.context_tokens < needed):
            continue
        chosen, fast = _choose(judged[entry.shape], demand)
        options.append(Option(entry=entry, judged=chosen, fast_enough=fast))

    def order(option: Option) -> tuple[float, ...]:
        score = option.entry.scores.get(evidence) if evidence else None
        rate = option.judged.decode_tokens_per_s or 0.0
        newest = -int((option.entry.release_date or "0").replace("-", "")[:6])
        bare = is_bare(option.entry.name)
        return (-option.fits, -option.fast_enough, -(score if score is not None else -1.0), newest, bare, -rate)

    return sorted(options, key=lambda option: (*order(option), option.entry.name))


def is_bare(name: str) -> bool:
    """Return whether a model's name says that it only continues text.

    >>> is_bare("LiquidAI/LFM2.5-350M-Base"), is_bare("LiquidAI/LFM2.5-350M")
    (True, False)
    """
    return name.lower().endswith("-base")


def one_of_each_shape(options: Sequence[Option]) -> list[Option]:
    """Return the first option of each shape: fine-tunes of one model need and do exactly the same here."""
    seen: dict[str, Option] = {}
    for option in options:
        seen.setdefault(option.entry.shape, option)
    return list(seen.values())


_SIZE = re.compile(r"[-_ ]?\d+(?:\.\d+)?[BbMm](?![a-z])(?:-[AE]\d+(?:\.\d+)?[Bb])?")


def series_of(name: str) -> str:
    """Return a model's series: its name without its size.

    >>> series_of("Qwen/Qwen3-8B") == series_of("Qwen/Qwen3-0.6B")
    True
    """
    return _SIZE.sub("", name)


def starting_set(options: Sequence[Option], count: int = 3) -> list[Option]:
    """Return a medium size to try first and its neighbours up and down, from the newest series with enough sizes.

    Medium is the middle of the fitting, fast enough sizes of one series by the bytes that a token reads, which is
    what an answer costs here. Empty when no series has two such sizes.
    """
    series: dict[str, dict[int, Option]] = {}
    for option in options:
        if option.fits and option.fast_enough and not is_bare(option.entry.name):
            series.setdefault(series_of(option.entry.name), {}).setdefault(option.judged.facts.read_bytes, option)
    rich = [list(sizes.values()) for sizes in series.values() if len(sizes) >= min(count, 2)]
    if not rich:
        return []
    best = max(rich, key=lambda own: (len(own) >= count, max(o.entry.release_date or "" for o in own), len(own)))
    ordered = sorted(best, key=lambda option: option.judged.facts.read_bytes)
    low, high = (log(ordered[index].judged.facts.read_bytes) for index in (0, -1))
    middle = min(
        range(len(ordered)), key=lambda index: abs(log(ordered[index].judged.facts.read_bytes) - (low + high) / 2)
    )
    around = [middle, middle - 1, middle + 1]
    return [ordered[index] for index in around[:count] if 0 <= index < len(ordered)]
