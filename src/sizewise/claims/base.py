"""What a reality check is made of: who can be asked, what is asked, what was found.

A claim plans (`Plan`: which model answers which task) and judges (`Judgement` from the answers); both are pure.
Running the plan and storing its trials is the business of the command above. A claim whose models are not there
says "not measured here" with what it would need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sizewise.records import Candidate, Estimate, TaskRef

if TYPE_CHECKING:
    from sizewise.claims.results import Results

FULL = "F16"
"""Quantization that counts as none."""
SKILLS = (
    "copy", "reverse", "sort", "route", "add2", "add3", "json", "lookup", "rephrase", "recall", "recall_open",
    "refuse", "translate", "program",
)  # fmt: skip
"""Skills that stand for general ability: every one has a right answer that is not "unknown"."""


class Finding(StrEnum):
    """What the measurement says of a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model file that can be asked, with the facts that claims are about."""

    candidate: Candidate
    total: float | None = None
    """Parameters."""
    active: float | None = None
    tokens: float | None = None
    """Training tokens."""
    kind: str = "base"
    """base, seed, undertrained, overtrained, distilled, specialist, experts, dense twin, pruned, context, wide."""
    size: str = ""
    """Label of the size; seeds of one size share it."""
    member: str = ""
    """The trained model; its quantizations share it."""
    quantization: str = FULL
    context_tokens: int | None = None
    file_bytes: int | None = None
    skills: tuple[str, ...] = ()
    """What a specialist was trained on."""
    loss: float | None = None
    teacher: str = ""

    @property
    def name(self) -> str:
        """Return the candidate's name."""
        return self.candidate.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One candidate answers one task."""

    candidate: Candidate
    task: TaskRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to be asked for one claim."""

    claim: str
    asks: tuple[Ask, ...]
    missing: str = ""
    """What is not there, in words; empty when all is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison behind a judgement."""

    label: str
    estimate: Estimate
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was measured of one claim."""

    claim: str
    finding: Finding
    words: str
    estimate: Estimate | None = None
    """The figure that the finding rests on, with its interval."""
    unit: str = ""
    rows: tuple[Row, ...] = ()
    trials: int = 0
    caveats: tuple[str, ...] = ()
    next_step: str = ""


Planner = Callable[[Sequence[Subject], int], Plan]
Judge = Callable[[Sequence[Subject], "Results"], Judgement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim about size: what it says, what would refute it, how it is tested, what is published."""

    key: str
    number: int
    says: str
    refuted_by: str
    test: str
    """The study that tests it, in words."""
    published: tuple[str, ...]
    """Kinds of `scaling_cases.csv` that bear on it."""
    plan: Planner
    judge: Judge
    changed: str = ""
    """What of the criterion was changed after a first look at results, and why; empty when nothing was."""
    facts: tuple[str, ...] = ()
    """Facts of a model that the claim cannot do without, as `--fact` calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Training runs of one recipe that differ by seed only."""

    name: str
    subjects: tuple[Subject, ...]

    @property
    def total(self) -> float:
        """Return the parameters of one of them, 0 when not known."""
        return self.subjects[0].total or 0.0

    @property
    def candidates(self) -> tuple[str, ...]:
        """Return the candidates' names."""
        return tuple(subject.name for subject in self.subjects)


def plain_sizes(subjects: Sequence[Subject]) -> list[Group]:
    """Return the plain models of known size, smallest first, each with all its seeds, unquantized."""
    plain = [s for s in subjects if s.kind in ("base", "seed") and is_full(s) and s.candidate.retrieval == "none"]
    return group_by([s for s in plain if s.total], lambda s: s.size or f"{s.total:g}")


def of_kind(subjects: Sequence[Subject], kind: str) -> list[Group]:
    """Return the unquantized models of a kind, smallest first; seeds of one recipe together."""
    found = [s for s in subjects if s.kind == kind and is_full(s) and s.candidate.retrieval == "none"]
    return group_by(found, lambda s: f"{kind} {s.size} {s.total} {s.context_tokens} {','.join(s.skills)}")


def group_by(subjects: Sequence[Subject], label: Callable[[Subject], str]) -> list[Group]:
    """Return groups of subjects with one label, smallest first."""
    groups: dict[str, list[Subject]] = {}
    for subject in subjects:
        groups.setdefault(label(subject), []).append(subject)
    made = [
        Group(name=members[0].name if len(members) == 1 else _common(members), subjects=tuple(members))
        for members in groups.values()
    ]
    return sorted(made, key=lambda group: (group.total, group.name))


def _common(members: Sequence[Subject]) -> str:
    shortest = min((member.name for member in members), key=len)
    return f"{shortest} ({len(members)} seeds)"


def is_full(subject: Subject) -> bool:
    """Return whether a subject is not quantized below 16 bit."""
    return subject.quantization.upper() in (FULL, "F32", "BF16", "")


def asks_of(
    groups: Sequence[Group], skills: Sequence[str], samples: int, *, level: int | None = None, retrieval: str = "none"
) -> list[Ask]:
    """Return every member of the groups asked every skill."""
    return [
        Ask(candidate=with_retrieval(subject.candidate, retrieval), task=skill_ref(skill, samples, level))
        for group in groups
        for subject in group.subjects
        for skill in skills
    ]


def skill_ref(skill: str, samples: int, level: int | None = None) -> TaskRef:
    """Return the reference to a skill's held-out items."""
    return TaskRef(ref=f"skill:{skill}", samples=samples, level=level)


def task_name(ref: TaskRef) -> str:
    """Return the name under which a task's trials are stored: the level is part of it.

    >>> task_name(skill_ref("needle", 40, 3))
    'skill:needle@3'
    """
    return f"{ref.ref}@{ref.level}" if ref.level else ref.ref


def with_retrieval(candidate: Candidate, retrieval: str) -> Candidate:
    """Return the candidate that is given passages, under a name of its own."""
    if retrieval == "none":
        return candidate
    return replace(candidate, name=f"{candidate.name}+{retrieval}", retrieval=retrieval)


def not_measured(claim: str, missing: str, next_step: str = "") -> Judgement:
    """Return "not measured here" with what it would need."""
    return Judgement(
        claim=claim, finding=Finding.NOT_MEASURED, words=f"Not measured here: {missing}",
        next_step=next_step or "sizewise ladder train --all   (makes the models that are missing)",
    )  # fmt: skip
