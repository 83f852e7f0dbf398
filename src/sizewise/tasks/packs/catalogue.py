"""All packs by name, and how one becomes a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from sizewise.errors import ConfigError, DataError
from sizewise.records import Completion, Sample, Score, TaskRef
from sizewise.tasks.base import Scorer, Task
from sizewise.tasks.packs.base import Draft, Kind, Pack, draws, to_sample
from sizewise.tasks.packs.ground import ground_samples, ground_score

PACKS: tuple[str, ...] = (
    "generation",
    "analysis",
    "code",
    "structured",
    "multilingual",
    "long_context",
    "retrieval",
    "knowledge",
    "refusals",
    "rephrasing",
    "bias",
)
LEVELS = (0, 1, 2, 3, 4)
_OPTIONS = frozenset({"split", "kind", "tokens", "unsafe_local"})
_PATIENCE = 1000
"""Draws without a new item before a kind counts as exhausted."""


def find_pack(name: str) -> Pack:
    """Return a pack by name; its module is imported now.

    >>> find_pack("structured").name
    'structured'
    """
    if name not in PACKS:
        near = get_close_matches(name, PACKS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(PACKS)}."
        raise ConfigError(f"there is no pack {name!r}. {hint}")
    pack: Pack = import_module(f"sizewise.tasks.packs.{name}").PACK
    return pack


def load_pack(asked: TaskRef, default_samples: int) -> Task:
    """Return the task of a pack at a level, or without a level at levels 1 to 4 in turn.

    Options: `split` (test or train), `kind` (one sort of item), `tokens` (long_context: length of the text),
    `unsafe_local` (code: run without a sandbox). Same reference, same samples, everywhere.
    """
    pack = find_pack(asked.ref)
    _check(pack, asked)
    count = asked.samples or default_samples
    split = str(asked.options.get("split", "test"))
    if asked.level == 0:
        samples = ground_samples(pack, count, asked.seed, split)
        if not samples:
            raise DataError(f"pack {pack.name!r} has no items at level 0 for split {split!r}")
    else:
        samples = _samples(pack, asked, count, split)
    return Task(
        name=pack.name,
        samples=tuple(samples),
        score=_scorer(pack, asked),
        max_output_tokens=_length(pack, asked.level),
        stop=("\n",) if asked.level == 0 else (),
        description=f"{pack.title}; {_level_text(pack, asked.level)}",
        ready=_ready(pack, asked),
        slow_scorer=pack.name == "code" and asked.level != 0,
        bare_prompts=asked.level == 0,
    )


def _check(pack: Pack, asked: TaskRef) -> None:
    if asked.level is not None and asked.level not in LEVELS:
        raise ConfigError(f"pack {pack.name!r} has no level {asked.level}; expected 0 to 4, or none for 1 to 4 mixed")
    for key in asked.options:
        if key not in _OPTIONS:
            near = get_close_matches(key, _OPTIONS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It takes: {', '.join(sorted(_OPTIONS))}."
            raise ConfigError(f"pack {pack.name!r} has no option {key!r}. {hint}")
    wanted = asked.options.get("kind")
    if wanted is not None and wanted not in [kind.name for kind in pack.kinds]:
        names = ", ".join(kind.name for kind in pack.kinds)
        raise ConfigError(f"pack {pack.name!r} has no kind {wanted!r}; it has: {names}")


def _level_text(pack: Pack, level: int | None) -> str:
    return "levels 1 to 4 in turn" if level is None else f"level {level}: {pack.levels[level]}"


def _length(pack: Pack, level: int | None) -> int:
    if level == 0:
        from sizewise.tasks import skills

        return skills.MAX_ANSWER_TOKENS
    return max(pack.max_output_tokens) if level is None else pack.max_output_tokens[level - 1]


def _kinds(pack: Pack, level: int, wanted: Any) -> list[Kind]:
    found = [kind for kind in pack.kinds if level >= kind.from_level and wanted in (None, kind.name)]
    if not found:
        raise ConfigError(f"pack {pack.name!r} has no items of kind {wanted!r} at level {level}; try a higher level")
    return found


def _samples(pack: Pack, asked: TaskRef, count: int, split: str) -> list[Sample]:
    """Return `count` different samples: levels and kinds in turn, clusters whole but for the last."""
    levels = [asked.level] if asked.level is not None else list(LEVELS[1:])
    sources: list[tuple[int, Kind, Iterator[tuple[Draft, ...]]]] = []
    for level in levels:
        for kind in _kinds(pack, level, asked.options.get("kind")):
            adjusted = _sized(kind, asked)
            sources.append((level, kind, draws(pack, adjusted, level, asked.seed, split)))
    seen: set[str] = set()
    samples: list[Sample] = []
    turn = 0
    while len(samples) < count:
        if not sources:
            raise DataError(
                f"pack {pack.name!r} has only {len(samples)} different items at level {asked.level} for kind "
                f"{asked.options.get('kind')!r}; expected {count}. Ask fewer, or leave the kind out."
            )
        place = turn % len(sources)
        level, kind, source = sources[place]
        group = _fresh(source, seen)
        if not group:
            del sources[place]
            continue
        cluster = f"{pack.name}-L{level}-s{asked.seed}-c{turn}" if len(group) > 1 else None
        for draft in group:
            identity = f"{pack.name}-L{level}-s{asked.seed}-{len(samples)}"
            samples.append(to_sample(pack, kind, level, identity, cluster, draft))
        turn += 1
    return samples[:count]


def _sized(kind: Kind, asked: TaskRef) -> Kind:
    """Return the kind with its text length set, where the reference asks for one."""
    tokens = asked.options.get("tokens")
    if tokens is None:
        return kind
    from sizewise.tasks.packs import long_context

    return long_context.sized(kind, asked.ref, tokens)


def _fresh(source: Iterator[tuple[Draft, ...]], seen: set[str]) -> tuple[Draft, ...]:
    """Return the next cluster not met before; empty when its kind has no more."""
    for _ in range(_PATIENCE):
        group = next(source, ())
        if not group:
            break
        keys = {draft.prompt() + (draft.system or "") for draft in group}
        if len(keys) == len(group) and not keys & seen:
            seen |= keys
            return group
    return ()


def _ready(pack: Pack, asked: TaskRef) -> Callable[[], None]:
    if pack.name != "code" or asked.level == 0:
        return lambda: None
    from sizewise.tasks.sandbox.run import require

    return partial(require, unsafe_local=bool(asked.options.get("unsafe_local", False)))


def _scorer(pack: Pack, asked: TaskRef) -> Scorer:
    if asked.scorer not in (None, "auto"):
        from sizewise.tasks.scorers.catalogue import make_scorer

        return make_scorer(str(asked.scorer), {})
    scorers = {kind.name: kind.score for kind in pack.kinds}
    if pack.name == "code":
        from sizewise.tasks.packs import code

        scorers = code.scorers(unsafe_local=bool(asked.options.get("unsafe_local", False)))

    def score(sample: Sample, answer: Completion) -> Score:
        if sample.attributes.get("level") == 0:
            return ground_score(sample, answer)
        return scorers[str(sample.attributes["kind"])](sample, answer)

    return score
