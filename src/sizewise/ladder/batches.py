"""Training batches: skills are drawn by weight, grouped by length and padded on the right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from sizewise.ladder.recipe import MIX, NEWLINE, Recipe
from sizewise.tasks.skills.catalog import draws

WIDTHS = (16, 24, 32, 40, 64, 96, 192, 448, 896)
"""Padded lengths: a text goes into the smallest that holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Texts of one padded length."""

    tokens: npt.NDArray[np.uint8]
    """(texts, padded length)."""
    answers: npt.NDArray[np.bool_]
    """Same shape: True where the byte belongs to an answer (its newline included)."""


def texts(recipe: Recipe, seed: int, *, test: bool = False) -> Iterator[tuple[bytes, int]]:
    """Yield whole texts and the length of their prompts, without end; same recipe and seed, same texts.

    `test` draws held-out items instead of training items.
    """
    rng = Random(f"train {seed}")
    chosen = recipe.skills or tuple(MIX)
    weights = [MIX[name] for name in chosen]
    longer = 4 if recipe.context > 512 else None
    streams = {name: draws(name, rng, test=test) for name in chosen}
    far = draws("needle", rng, longer, test=test) if longer else None
    while True:
        name = rng.choices(chosen, weights)[0]
        stream = far if far and name == "needle" and rng.random() < 0.3 else streams[name]
        draw = next(stream)
        text = f"{draw.prompt}{draw.answer}\n".encode()
        if len(text) <= recipe.context:
            yield text, len(draw.prompt)


def batches(recipe: Recipe, seed: int, *, test: bool = False) -> Iterator[tuple[list[Block], int, int]]:
    """Yield steps: blocks, tokens in them, answer bytes in them."""
    source = texts(recipe, seed, test=test)
    while True:
        by_width: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        total = answers = 0
        while total < recipe.batch_tokens:
            text, start = next(source)
            start = 1 if recipe.whole_text else start
            by_width[next(width for width in WIDTHS if width >= len(text))].append((text, start))
            total += len(text)
            answers += len(text) - start
        yield [block(rows, width) for width, rows in sorted(by_width.items())], total, answers


def block(rows: list[tuple[bytes, int]], width: int) -> Block:
    """Return texts padded with newlines to one width.

    >>> block([(b"a=b", 2)], 4).answers.tolist()
    [[False, False, True, False]]
    """
    tokens = np.full((len(rows), width), NEWLINE, dtype=np.uint8)
    answers = np.zeros((len(rows), width), dtype=np.bool_)
    for number, (text, start) in enumerate(rows):
        tokens[number, : len(text)] = np.frombuffer(text, dtype=np.uint8)
        answers[number, start : len(text)] = True
    return Block(tokens=tokens, answers=answers)
