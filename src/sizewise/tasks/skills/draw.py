"""What a skill hands out, and the split of items into training and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

TEST_SHARE = 8
"""One item in this many is held out for tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One question of a skill with its right answer."""

    prompt: str
    """Bare completion prompt, ASCII."""
    answer: str
    """The right continuation, without the newline that ends it."""
    item: str
    """What makes the question itself: decides between training and test, whatever the template."""
    scorer: str = "exact"
    """exact: the answer's text; json: equal as JSON values."""
    unanswerable: bool = False
    test_only: bool = False
    """The phrasing is kept out of training."""
    passages: tuple[str, ...] = ()
    gold_passages: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


def held_out(item: str) -> bool:
    """Return whether an item belongs to the test items; training never sees those.

    The answer depends on the text alone, so both sides of the split agree on every machine.

    >>> sum(held_out(f"{a}+{b}") for a in range(10, 100) for b in range(10, 100)) // 100
    10
    """
    return crc32(item.encode()) % TEST_SHARE == 0
