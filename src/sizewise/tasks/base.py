"""What every task must give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sizewise.records import Completion, Sample, Score

Scorer = Callable[[Sample, Completion], Score]
"""Judges one answer. Pure, except for scorers that run code in the sandbox or ask a judge."""


def _ready() -> None:
    """Most tasks can be scored anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Samples and the way to judge an answer."""

    name: str
    samples: Sequence[Sample]
    score: Scorer
    max_output_tokens: int = 256
    """Enough for every right answer; a study may set less or more."""
    stop: tuple[str, ...] = ()
    description: str = ""
    ready: Callable[[], None] = _ready
    """Raises `SizewiseError` where the task cannot be scored on this machine (no sandbox): ask before any call."""
    bare_prompts: bool = False
    """Samples are texts to continue, not turns of a chat (`Settings.chat` should be False): the ladder's skills."""
    slow_scorer: bool = False
    """The scorer runs code or asks a judge: it is called in a thread, so that answers keep streaming."""
