"""Takes of one quantity on the real engine: tokens, prompts, loading; each gated on what others did meanwhile.

Shared by the steps of a calibration. Does not decide what a reading means.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sizewise.machines.engine_run import EngineRun
from sizewise.machines.load_gate import Reading, median_of
from sizewise.machines.probe_models import write_pure
from sizewise.records import Architecture

OUTPUT = 17
"""Tokens of an answer: one that comes with the prompt, and sixteen decode steps."""


@dataclass(kw_only=True)
class Session:
    """One calibration in progress."""

    folder: Path
    until: float
    """Moment (monotonic clock) after which nothing new is begun."""
    threads: int | None
    say: Callable[[str], None]
    rejected: list[str] = field(default_factory=list)
    noisy: int = 0
    readings: int = 0
    engine: str = ""

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self.until - time.monotonic()

    def note(self, what: str, reading: Reading) -> float:
        """Return the reading's seconds; count it, and say so when others disturbed every take."""
        self.readings += 1
        if not reading.quiet_takes:
            self.noisy += 1
            self.rejected.append(
                f"{what}: others used {reading.foreign:.1f} cores or more in all {reading.takes} takes; the fastest "
                "was kept"
            )
        return reading.seconds

    def open(self, name: str, arch: Architecture, type_name: str, context: int, kv: str = "f16") -> EngineRun:
        """Return a run (not yet started) of a probe model, which is written once."""
        path = self.folder / f"{name}.gguf"
        if not path.exists():
            write_pure(path, arch, type_name)
        return EngineRun(path, context_tokens=context, threads=self.threads, kv_type=kv)


def first_tokens() -> Iterator[int]:
    """Yield first tokens of prompts that share nothing with the one before."""
    token = 10
    while True:
        token = 10 + (token * 5 + 3) % 380
        yield token


def _pids(run: EngineRun) -> tuple[int, ...]:
    return (run.pid,) if run.pid else ()


def token_time(session: Session, run: EngineRun, what: str, depth: int) -> float:
    """Return seconds of one decode step with `depth` tokens cached."""
    run.time(depth, 1, reuse=True)
    reading = median_of(
        lambda: run.time(depth, OUTPUT, reuse=True).step_s, pids=_pids(run), wanted=3, until=session.until
    )
    return session.note(what, reading)


def prompt_time(session: Session, run: EngineRun, what: str, tokens: int, *, wanted: int = 2) -> float:
    """Return seconds of reading a prompt of `tokens` of which nothing is cached."""
    firsts = first_tokens()

    def take() -> float:
        timing = run.time(tokens, 1, first_token=next(firsts))
        return timing.prompt_s * tokens / max(1, timing.prompt_tokens)

    reading = median_of(take, pids=_pids(run), wanted=wanted, at_most=wanted + 1, until=session.until)
    return session.note(what, reading)


def both_times(session: Session, run: EngineRun, what: str, tokens: int, *, wanted: int = 2) -> tuple[float, float]:
    """Return (seconds of a prompt, seconds of one decode step after it), each a median of fresh requests."""
    firsts, prompts = first_tokens(), []

    def take() -> float:
        timing = run.time(tokens, OUTPUT, first_token=next(firsts))
        prompts.append(timing.prompt_s * tokens / max(1, timing.prompt_tokens))
        return timing.step_s

    reading = median_of(take, pids=_pids(run), wanted=wanted, at_most=wanted + 1, until=session.until)
    return sorted(prompts)[(len(prompts) - 1) // 2], session.note(what, reading)


def evict(path: Path) -> bool:
    """Write a file out and ask the system to drop it from the page cache; False where that cannot be asked.

    What a disk or a host below keeps in caches of its own stays there.
    """
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        advise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    return True


def fill(path: Path) -> None:
    """Write small made-up numbers into the holes of a sparse model file, so that reading it reads the disk.

    Bytes below 32 are small positive numbers in every tensor type, scales included: nothing overflows.
    """
    block = bytes(byte & 31 for byte in os.urandom(2**20))
    with path.open("r+b") as file:
        size = path.stat().st_size
        start = os.lseek(file.fileno(), 0, os.SEEK_HOLE) if hasattr(os, "SEEK_HOLE") else size
        file.seek(start)
        for offset in range(start, size, len(block)):
            file.write(block[: min(len(block), size - offset)])
        file.flush()
        os.fsync(file.fileno())


def mapped_read_rate(path: Path) -> float:
    """Return bytes per second of reading a file the way the engine does, mapped as a whole; OSError says why not."""
    populate = getattr(mmap, "MAP_POPULATE", None)
    if populate is None or not evict(path):
        raise OSError("this system cannot drop a file from its page cache, so cold reads are not measured")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = time.perf_counter()
        mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | populate, prot=mmap.PROT_READ).close()
        return size / (time.perf_counter() - start)
