"""All skills by name, and the two ways to use one: samples for a task, draws for training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Sample
from sizewise.tasks.skills import arithmetic, extract, facts, lookup, programs, safety, text, translate
from sizewise.tasks.skills.draw import Draw, held_out

Skill = Callable[[Random, int], tuple[Draw, ...]]
"""Draws one question, or a group of questions on one item (twins, rephrasings), at a level from 1."""

SKILLS: dict[str, Skill] = {
    "copy": text.copy,
    "reverse": text.reverse,
    "sort": text.sort,
    "language": text.language,
    "route": text.route,
    "add2": arithmetic.add2,
    "add3": arithmetic.add3,
    "json": extract.json_field,
    "lookup": lookup.lookup,
    "unanswerable": lookup.unanswerable,
    "rephrase": lookup.rephrase,
    "needle": lookup.needle,
    "recall": facts.recall,
    "recall_open": facts.recall_open,
    "recall_unknown": facts.recall_unknown,
    "refuse": safety.refuse,
    "translate": translate.translate,
    "program": programs.program,
}
LEVELS = (1, 2, 3)
MAX_ANSWER_TOKENS = 24
"""Bytes that the longest right answer of any skill fits in, its newline included."""


def names() -> tuple[str, ...]:
    """Return the names of all skills.

    >>> names()[:3]
    ('copy', 'reverse', 'sort')
    """
    return tuple(SKILLS)


def _find(name: str) -> Skill:
    if name not in SKILLS:
        from difflib import get_close_matches

        near = get_close_matches(name, SKILLS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(SKILLS)}."
        raise ConfigError(f"there is no skill {name!r}; expected the name of a shipped skill. {hint}")
    return SKILLS[name]


def groups(name: str, rng: Random, level: int | None, *, test: bool) -> Iterator[tuple[Draw, ...]]:
    """Yield groups of draws of one side of the split, without end; level None draws 1 to 3 in turn at random."""
    skill = _find(name)
    while True:
        group = skill(rng, level if level is not None else rng.choice(LEVELS))
        if held_out(group[0].item) == test:
            yield group


def draws(name: str, rng: Random, level: int | None = None, *, test: bool = False) -> Iterator[Draw]:
    """Yield single draws of a skill, without end: items of one side of the split, never a test-only phrasing."""
    for group in groups(name, rng, level, test=test):
        yield rng.choice([draw for draw in group if not draw.test_only])


def load(name: str, seed: int, n: int, level: int | None = None) -> list[Sample]:
    """Return `n` different test samples of a skill, the same for the same seed; level None mixes levels 1 to 3.

    Samples are bare completions (`Settings.chat` must be False). The right answer is one line; the models end it
    with a newline, their end token. `attributes["scorer"]` is exact or json. Fewer than `n` come back where the
    skill has fewer test items at that level. Unknown name: ConfigError.

    >>> load("copy", seed=1, n=2, level=1)[0].prompt.startswith("copy ")
    True
    """
    found: dict[str, Sample] = {}
    source = groups(name, Random(f"test {name} {seed}"), level, test=True)
    for _ in range(40 * n + 400):
        if len(found) >= n:
            break
        group = next(source)
        cluster = f"{name}-{seed}-{len(found)}" if len(group) > 1 else None
        for draw in group:
            if draw.prompt not in found:
                found[draw.prompt] = _sample(name, f"{name}-{seed}-{len(found)}", draw, cluster)
    return list(found.values())[:n]


def _sample(name: str, sample_id: str, draw: Draw, cluster: str | None) -> Sample:
    target: Any = json.loads(draw.answer) if draw.scorer == "json" else draw.answer
    return Sample(
        id=sample_id,
        prompt=draw.prompt,
        target=target,
        cluster=cluster,
        unanswerable=draw.unanswerable,
        passages=draw.passages,
        gold_passages=draw.gold_passages,
        attributes={"skill": name, "scorer": draw.scorer, "answer": draw.answer, **draw.attributes},
    )
