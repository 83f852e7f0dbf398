"""Measure only while the machine is one's own: how busy others were during a reading, and readings taken again.

A single foreign busy process slows a two-thread decode by up to thirty times, so a reading is kept only when others
used less than a tenth of a core. Does not cover memory traffic of others on cores we do not see (neighbours of a VM).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median_low

FOREIGN_LIMIT = 0.1
"""Cores that others may use during a reading."""
_TICKS_S = 0.02


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

    The counters tick every hundredth of a second, so two ticks are forgiven: a short take is not called noisy for them.

    >>> foreign_cores(CpuTimes(wall_s=0, busy_s=0, own_s=0), CpuTimes(wall_s=2, busy_s=3.02, own_s=1))
    1.0
    """
    wall = after.wall_s - before.wall_s
    if wall <= 0:
        return 0.0
    return max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s) - _TICKS_S) / wall


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value from several takes."""

    seconds: float
    quiet_takes: int
    """Takes during which the machine was our own; 0 means that the value is only an upper bound."""
    takes: int
    foreign: float = 0.0
    """Cores that others used during the take that was kept, at most."""


def wait_until_quiet(timeout_s: float, *, window_s: float = 0.5) -> tuple[float, float]:
    """Wait until others used less than `FOREIGN_LIMIT` cores for one window, or until the time is over.

    Returns (seconds waited, cores that others used in the last window), so that the caller can say how quiet it was.
    """
    start = time.monotonic()
    while True:
        before = read_times()
        time.sleep(window_s)
        foreign, waited = foreign_cores(before, read_times()), time.monotonic() - start
        if foreign < FOREIGN_LIMIT or waited >= timeout_s:
            return waited, foreign


def median_of(
    take: Callable[[], float],
    *,
    pids: tuple[int, ...] = (),
    wanted: int = 3,
    at_most: int = 5,
    until: float = float("inf"),
) -> Reading:
    """Return the median of `wanted` quiet takes; after `at_most` takes or at the moment `until`, of what there is.

    `take` returns seconds. Where no take was quiet the fastest is returned: others can only make a reading slower.
    """
    quiet: list[float] = []
    noisy: list[tuple[float, float]] = []
    most = 0.0
    while len(quiet) < wanted and len(quiet) + len(noisy) < at_most:
        before = read_times(pids)
        seconds = take()
        foreign = foreign_cores(before, read_times(pids))
        if foreign < FOREIGN_LIMIT:
            quiet.append(seconds)
            most = max(most, foreign)
        else:
            noisy.append((seconds, foreign))
        if time.monotonic() > until:
            break
    count = len(quiet) + len(noisy)
    if quiet:
        return Reading(seconds=median_low(quiet), quiet_takes=len(quiet), takes=count, foreign=most)
    seconds, foreign = min(noisy)
    return Reading(seconds=seconds, quiet_takes=0, takes=count, foreign=foreign)
