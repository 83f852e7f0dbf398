"""What a running study says of itself; a face (terminal, page) prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    `stage` is prepare, resume, load, asked, verdict, note or done.
    """

    stage: str
    text: str = ""
    task: str = ""
    candidate: str = ""
    done: int = 0
    """Trials of this task that are stored."""
    planned: int = 0
    """Trials of this task if nothing were dropped early."""


OnEvent = Callable[[Event], None]


def silent(_: Event) -> None:
    """Ignore an event."""
