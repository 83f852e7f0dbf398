"""Measure only while the machine is one's own: how busy others were during a reading, and readings taken again.

A single foreign busy process slows a two-thread decode by up to thirty times, so a reading is kept only when others
used less than a tenth of a core. Does not cover memory traffic of others on cores we do not see (neighbours of a VM).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FOREIGN_LIMIT = 0.1
"""Cores that others may use during a reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTimes:
    """Seconds of processor time so far."""

    wall_s: float
    busy_s: float
    own_s: float


def read_times(pids: tuple[int, ...] = ()) -> CpuTimes:
    """Return the machine's busy seconds and those of this process and the given ones."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    own = sum(psutil.Process().cpu_times()[:2])
    for pid in pids:
        try:
            own += sum(psutil.Process(pid).cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return CpuTimes(wall_s=time.monotonic(), busy_s=sum(times[:8]) - idle, own_s=own)


def foreign_cores(before: CpuTimes, after: CpuTimes) -> float:
    """Return how many cores others used between two readings, 0 or more.

    >>> foreign_cores(CpuTimes(wall_s=0, busy_s=0, own_s=0), CpuTimes(wall_s=2, busy_s=3, own_s=1))
    1.0
    """
    wall = after.wall_s - before.wall_s
    if wall <= 0:
        return 0.0
    return max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s)) / wall


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The fastest of several takes."""

    seconds: float
    quiet_takes: int
    """Takes during which the machine was our own; 0 means that the value is only an upper bound."""
    takes: int


def fastest(
    take: Callable[[], float],
    *,
    pids: tuple[int, ...] = (),
    wanted: int = 2,
    at_most: int = 5,
    until: float = float("inf"),
) -> Reading:
    """Return the fastest of `wanted` quiet takes; after `at_most` takes or at the moment `until`, of what there is.

    `take` returns seconds. Others can only make a reading slower, so the fastest is the best one either way.
    """
    quiet: list[float] = []
    noisy: list[float] = []
    while len(quiet) < wanted and len(quiet) + len(noisy) < at_most:
        before = read_times(pids)
        seconds = take()
        kept = quiet if foreign_cores(before, read_times(pids)) < FOREIGN_LIMIT else noisy
        kept.append(seconds)
        if time.monotonic() > until:
            break
    return Reading(seconds=min(quiet or noisy), quiet_takes=len(quiet), takes=len(quiet) + len(noisy))
