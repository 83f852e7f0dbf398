"""What every sandbox takes and gives: limits in, a classed outcome out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use; every number is enforced."""

    wall_s: float = 10.0
    cpu_s: int = 8
    """CPU seconds of each process."""
    memory_bytes: int = 512 * 2**20
    """Address space of each process, and resident memory of all of them together."""
    processes: int = 24
    file_bytes: int = 16 * 2**20
    """Largest file."""
    disk_bytes: int = 32 * 2**20
    """All files together; held by bubblewrap and containers, not by "unsafe local"."""
    output_bytes: int = 256 * 2**10
    """Standard output and error together; what comes after it ends the run."""
    open_files: int = 64


class Status(StrEnum):
    """How a run ended."""

    OK = "ok"
    ERROR = "error"
    """The code ended with another exit code than 0."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    """It wrote more than allowed."""
    KILLED = "killed"
    """A signal ended it."""
    BROKEN = "broken"
    """The sandbox itself could not start; says nothing of the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One Python program with its input."""

    code: str
    stdin: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """Plain file name -> text, read-only beside the program."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did."""

    status: Status
    exit_code: int | None
    stdout: str
    stderr: str
    wall_s: float
    sandbox: str
    """bubblewrap, container or unsafe local."""
    peak_bytes: int = 0
    """Highest resident memory of all its processes together, as sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Which sandbox this machine offers, found out by running one."""

    kind: str | None
    """bubblewrap, container, or None."""
    reasons: tuple[str, ...]
    """One line for each sandbox tried: what worked or why not."""
