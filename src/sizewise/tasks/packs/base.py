"""What a pack is made of: kinds of items, each a generator and a scorer; every item brings three answers along.

Items depend on text seeds alone (`random.Random` of a string), so they are the same on every platform and Python.
Whether an item is for training or for tests is read from its own text (`side`), so the two never meet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import completion, judged

SOLVERS = ("oracle", "wrong", "format")
"""The right answer; a wrong one in the right form; a right one (as far as that goes) in a broken form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One item before it has an id."""

    instruction: str
    """What to do, in words: prompt variants may change it."""
    payload: str = ""
    """The data it is about: variants leave it alone."""
    target: Any
    oracle: str
    wrong: str
    broken: str
    paraphrase: str = ""
    """The instruction in other words; empty when there is none."""
    system: str | None = None
    json_schema: str | None = None
    tools: str | None = None
    unanswerable: bool = False
    passages: tuple[str, ...] = ()
    gold_passages: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def prompt(self) -> str:
        """Return instruction and payload as one text."""
        return assemble(self.instruction, self.payload)


Make = Callable[[Random, int], "Draft | tuple[Draft, ...]"]
"""Draws an item at a level; several drafts are one cluster (twins, rephrasings)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of item within a pack."""

    name: str
    make: Make
    score: Scorer
    from_level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A family of kinds that asks for one ability."""

    name: str
    title: str
    levels: tuple[str, str, str, str, str]
    """What each level asks, from 0 (a model of a million parameters) to 4 (hard for the best)."""
    skills: tuple[str, ...]
    """Level 0: skills of the shipped ladder."""
    kinds: tuple[Kind, ...]
    max_output_tokens: tuple[int, int, int, int] = (64, 64, 128, 256)
    """Levels 1 to 4: enough for the longest right answer."""
    ground_twin: Callable[[str], str] | None = None
    """Level 0: gives each prompt's counterpart, which must get the same answer."""


def assemble(instruction: str, payload: str) -> str:
    """Return the prompt of an instruction and its data.

    >>> assemble("Add.", "1, 2")
    'Add.\\n\\n1, 2'
    """
    return f"{instruction}\n\n{payload}" if payload else instruction


def formed(sample: Sample, answer: Completion, *, right: bool, form: bool, why: str = "") -> Score:
    """Return 1 for right content in the right form; lenient forgives the form."""
    return judged(sample, answer, value=float(right and form), valid=form, lenient=float(right), explanation=why)


def one_line(answer: Completion) -> bool:
    """Return whether the answer is one line of text."""
    return bool(answer.text.strip()) and "\n" not in answer.text.strip()


def side(text: str) -> str:
    """Return "train" for one item of two and "test" for the rest, from the text alone.

    >>> side("2+2") == side("2+2")
    True
    """
    return "test" if hashlib.sha256(text.encode()).digest()[0] % 2 == 0 else "train"


_PATIENCE = 200
"""Draws from the other side of the split before this side counts as empty."""


def draws(pack: Pack, kind: Kind, level: int, seed: int, split: str) -> Iterator[tuple[Draft, ...]]:
    """Yield clusters of one kind at one level, all on one side of the split; ends only where that side is empty."""
    if split not in ("train", "test"):
        raise ConfigError(f"pack {pack.name!r} has no split {split!r}; expected test or train")
    rng = Random(f"{pack.name}/{kind.name}/{level}/{seed}/{split}")
    missed = 0
    while missed < _PATIENCE:
        made = kind.make(rng, level)
        group = made if isinstance(made, tuple) else (made,)
        if side(group[0].prompt()) == split:
            missed = 0
            yield group
        else:
            missed += 1


def to_sample(pack: Pack, kind: Kind, level: int, identity: str, cluster: str | None, draft: Draft) -> Sample:
    """Return the sample of a draft; its three answers stand in `attributes["answers"]`."""
    return Sample(
        id=identity,
        prompt=draft.prompt(),
        target=draft.target,
        system=draft.system,
        cluster=cluster,
        json_schema=draft.json_schema,
        tools=draft.tools,
        unanswerable=draft.unanswerable,
        passages=draft.passages,
        gold_passages=draft.gold_passages,
        attributes={
            **draft.attributes,
            "pack": pack.name,
            "kind": kind.name,
            "level": level,
            "instruction": draft.instruction,
            "payload": draft.payload,
            "paraphrase": draft.paraphrase,
            "answers": {"oracle": draft.oracle, "wrong": draft.wrong, "format": draft.broken},
        },
    )


def solve(sample: Sample, solver: str) -> Completion:
    """Return what one of the three solvers answers to a pack's sample: "oracle", "wrong" or "format"."""
    answers = sample.attributes.get("answers")
    if not isinstance(answers, Mapping) or solver not in answers:
        raise ConfigError(f"sample {sample.id!r} has no solver {solver!r}; expected a pack's sample and {SOLVERS}")
    return completion(str(answers[solver]))


def as_json(value: Any) -> str:
    """Return compact JSON, keys in the order given, all scripts as they are."""
    return json.dumps(value, ensure_ascii=False)
