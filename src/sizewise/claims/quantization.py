"""Claim 6: quantization changes the ranking at equal memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sizewise.claims.base import (
    Claim,
    Finding,
    Group,
    Judgement,
    Plan,
    Row,
    Subject,
    asks_of,
    group_by,
    is_full,
    not_measured,
    of_kind,
    plain_sizes,
)
from sizewise.claims.results import Contrast, Results, holm_any

KEY = "quantization"
SKILLS = ("copy", "sort", "add2", "json", "lookup", "recall", "translate", "program")
"""Half the skills: those that differ most in what they need (memory, arithmetic, copying)."""
EQUAL = 1.3
"""File sizes within this factor count as equal memory."""
_NEEDS = "quantized files of two sizes whose bytes meet (a larger one at few bits, a smaller one at more)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A larger model at fewer bits and a smaller one at more, of about equal file size."""

    large: Group
    small: Group
    large_full: Group
    small_full: Group


def files(subjects: Sequence[Subject]) -> list[Group]:
    """Return every file of a plain or wide model with a known size, those of one size and quantization together."""
    kinds = ("base", "seed", "wide")
    known = [s for s in subjects if s.kind in kinds and s.file_bytes and s.candidate.retrieval == "none"]
    return group_by(known, lambda s: f"{s.size} {s.quantization}")


def pairs(subjects: Sequence[Subject]) -> list[Pair]:
    """Return the pairs of equal memory where the larger has fewer bits per parameter."""
    plain = {group.subjects[0].size: group for group in (*plain_sizes(subjects), *of_kind(subjects, "wide"))}
    found = []
    groups = files(subjects)
    for large in groups:
        for small in groups:
            big, little = large.subjects[0], small.subjects[0]
            if is_full(big) or large.total <= 1.1 * small.total or not (big.size in plain and little.size in plain):
                continue
            if max(_bytes(large) / _bytes(small), _bytes(small) / _bytes(large)) <= EQUAL:
                found.append(Pair(large=large, small=small, large_full=plain[big.size], small_full=plain[little.size]))
    return found


def plan(subjects: Sequence[Subject], samples: int) -> Plan:
    """Ask the quantized files of equal memory, and the unquantized ones, eight skills."""
    found = pairs(subjects)
    groups = {g.name: g for p in found for g in (p.large, p.small, p.large_full, p.small_full)}
    return Plan(claim=KEY, asks=tuple(asks_of(list(groups.values()), SKILLS, samples)), missing="" if found else _NEEDS)


def judge(subjects: Sequence[Subject], results: Results) -> Judgement:
    """Supported when a pair's order at equal memory is the opposite of its order unquantized, both for sure."""
    seeds = plain_sizes(subjects)
    measured: list[tuple[Pair, list[str], Contrast, Contrast]] = []
    for pair in pairs(subjects):
        tasks = results.common([pair.large, pair.small, pair.large_full, pair.small_full], results.general)
        if tasks:
            equal = results.contrast(pair.large, pair.small, tasks, seeds)
            full = results.contrast(pair.large_full, pair.small_full, tasks, seeds)
            measured.append((pair, tasks, equal, full))
    if not measured:
        return not_measured(KEY, _NEEDS)
    flips = holm_any([_flip_p(equal, full) for *_, equal, full in measured])
    kept = [_same_sign(equal, full) for *_, equal, full in measured]
    finding = Finding.SUPPORTED if any(flips) else Finding.REFUTED if all(kept) else Finding.UNDECIDED
    at = flips.index(True) if any(flips) else min(range(len(measured)), key=lambda i: _flip_p(*measured[i][2:]))
    pair, _, equal, full = measured[at]
    names = [name for p, *_ in measured for group in (p.large, p.small) for name in group.candidates]
    rows = tuple(
        Row(
            label=f"{p.large.name} minus {p.small.name}", estimate=e.estimate(), unit="score",
            note=f"{_bytes(p.large) / 1e3:.0f} kB against {_bytes(p.small) / 1e3:.0f}; unquantized {f.value:+.3f}",
        )
        for p, _, e, f in measured
    )  # fmt: skip
    return Judgement(
        claim=KEY, finding=finding,
        words=f"{sum(flips)} of {len(measured)} pairs of equal memory change their order for sure; nearest: "
        f"{pair.large.name} minus {pair.small.name} is {equal.value:+.3f}, unquantized {full.value:+.3f}.",
        estimate=equal.estimate(), unit="score at equal memory, larger at fewer bits minus smaller", rows=rows,
        trials=results.count(names, results.general),
        caveats=("models this small may lose more to few bits than large ones do: a row is a block or less",),
        next_step="sizewise scaling quantization --bits 3   (published curves)",
    )  # fmt: skip


def _bytes(group: Group) -> float:
    return float(group.subjects[0].file_bytes or 1)


def _flip_p(equal: Contrast, full: Contrast) -> float:
    """Return the p value of "the order flipped": both differences must have opposite signs (intersection-union)."""
    if full.value >= 0:
        return max(equal.p_less, full.p_greater)
    return max(equal.p_greater, full.p_less)


def _same_sign(equal: Contrast, full: Contrast) -> bool:
    one, other = equal.estimate(), full.estimate()
    return (one.low > 0 and other.low > 0) or (one.high < 0 and other.high < 0)


CLAIM = Claim(
    key=KEY,
    number=6,
    says="Quantization changes the ranking at equal memory.",
    refuted_by="every pair of equal memory keeping for sure the order that its sizes have unquantized",
    test="a larger model at few bits against a smaller one at more bits, files within 30 % of each other, beside the "
    "same two sizes unquantized",
    published=("quant_crossover", "quant_bigger_wins", "quant_overtraining", "quant_bigger_not_safer"),
    plan=plan,
    judge=judge,
    facts=("total", "quantization", "bytes"),
)
