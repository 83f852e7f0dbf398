"""While a model runs: refuse or shrink before loading what would bring the machine down; then keep the peaks.

Samples from a thread of its own, a few times a second: processor, resident memory of a process and its children, free
memory of the machine, NVIDIA memory, utilization and power where the driver tells. Does not cover other vendors' GPUs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sizewise.machines.host import Host, LiveHost
from sizewise.machines.limits import read_limits
from sizewise.records import Estimate, Measurement, Source
from sizewise.units import format_bytes

RESERVE = 0.03
"""Share of memory that is left to the system."""
_SMALLEST_CONTEXT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What the guard decided before loading."""

    context_tokens: int | None
    """The context that may be used; None when the model must not be loaded."""
    message: str = ""
    """Why it was refused or shrunk; empty when all is well."""


def free_memory_bytes(host: Host | None = None) -> int | None:
    """Return main memory free now under every limit, None when nobody can say."""
    host = host or LiveHost()
    try:
        available = host.memory().get("available")
    except (OSError, KeyError):
        available = None
    limits = read_limits(host)
    if limits.memory_bytes is not None and limits.memory_free_bytes is None:
        return None
    known = [value for value in (available, limits.memory_free_bytes) if value is not None]
    return min(known) if known else None


def guard(
    peak_bytes: Callable[[int], float],
    context_tokens: int,
    needed_tokens: int,
    free_bytes: int | None,
    *,
    name: str = "the model",
) -> Guard:
    """Return whether a model may be loaded now, with the largest context that fits between what is needed and asked.

    `peak_bytes(context)` is the predicted peak. Refuses when free memory is not known or when even `needed_tokens`
    of context do not fit.

    >>> guard(lambda context: 1000.0 * context, 4096, 1024, 3_000_000).context_tokens
    2816
    """
    if free_bytes is None:
        return Guard(
            context_tokens=None,
            message=f"free memory is not known, so {name} is not loaded; `sizewise doctor` names the probe that failed",
        )
    room = free_bytes * (1 - RESERVE)
    if peak_bytes(context_tokens) <= room:
        return Guard(context_tokens=context_tokens)
    smaller = context_tokens
    while smaller > max(needed_tokens, _SMALLEST_CONTEXT) and peak_bytes(smaller) > room:
        smaller = max(needed_tokens, _SMALLEST_CONTEXT, (smaller - 1) // 256 * 256)
    if smaller >= needed_tokens and peak_bytes(smaller) <= room:
        return Guard(
            context_tokens=smaller,
            message=(
                f"context of {name} is cut from {context_tokens} to {smaller} tokens: "
                f"{format_bytes(free_bytes)} are free"
            ),
        )
    return Guard(
        context_tokens=None,
        message=(
            f"{name} needs {format_bytes(peak_bytes(smaller))} at its peak with {smaller} tokens of context, "
            f"{format_bytes(free_bytes)} are free; close other programs, or take a smaller quantization: sizewise fit"
        ),
    )


@dataclass(kw_only=True)
class Peaks:
    """Highest values seen so far; None where nobody tells."""

    resident_bytes: int = 0
    cpu_cores: float = 0.0
    least_free_bytes: int | None = None
    gpu_bytes: int | None = None
    gpu_power_w: float | None = None
    samples: int = 0
    gpu_joules: float = 0.0
    """Power of all GPUs, integrated over the samples."""
    cpu_joules: float | None = None
    """Energy of the processor packages from its counter (RAPL); None where there is none or it may not be read."""
    notes: list[str] = field(default_factory=list)


def package_joules(host: Host) -> float | None:
    """Return the energy counter of all processor packages (Linux, RAPL), None where it cannot be read."""
    counters = [host.read(path) for path in host.glob("/sys/class/powercap/intel-rapl:[0-9]*/energy_uj")]
    known = [int(text) for text in counters if text and text.strip().isdigit()]
    return sum(known) / 1e6 if known else None


class Watch:
    """Sampler of one process and its children; use as a context manager around a run."""

    def __init__(self, pid: int, *, interval_s: float = 0.2, host: Host | None = None) -> None:
        """Remember whom to watch; sampling starts on entry."""
        self.peaks = Peaks()
        self._pid = pid
        self._interval_s = interval_s
        self._host = host or LiveHost()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sizewise-watch", daemon=True)
        self._cpu: tuple[float, float] | None = None
        self._gpu = True
        self._joules: float | None = None

    def __enter__(self) -> Watch:
        """Take the first sample and start the thread."""
        self._joules = package_joules(self._host)
        self.sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread and take the last sample."""
        self._stop.set()
        self._thread.join()
        self.sample()
        joules = package_joules(self._host)
        if joules is not None and self._joules is not None and joules >= self._joules:  # else it wrapped around
            self.peaks.cpu_joules = joules - self._joules

    def _work(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.sample()

    def sample(self) -> None:
        """Take one sample of everything that answers."""
        self.peaks.samples += 1
        self._sample_process()
        free = free_memory_bytes(self._host)
        if free is not None:
            known = self.peaks.least_free_bytes
            self.peaks.least_free_bytes = free if known is None else min(known, free)
        if self._gpu:
            self._sample_gpu()

    def _sample_process(self) -> None:
        import psutil

        try:
            process = psutil.Process(self._pid)
            family = [process, *process.children(recursive=True)]
            resident, busy = 0, 0.0
            for member in family:
                try:
                    resident += member.memory_info().rss
                    busy += sum(member.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return
        now = time.monotonic()
        if self._cpu is not None and now - self._cpu[0] > 0.02:
            self.peaks.cpu_cores = max(self.peaks.cpu_cores, (busy - self._cpu[1]) / (now - self._cpu[0]))
        self._cpu = (now, busy)
        self.peaks.resident_bytes = max(self.peaks.resident_bytes, resident)

    def _sample_gpu(self) -> None:
        try:
            devices = self._host.nvml()
        except OSError as error:
            self.peaks.notes.append(f"GPU not watched: {error}")
            self._gpu = False
            return
        used = sum(device["total"] - device["free"] for device in devices if "total" in device)
        self.peaks.gpu_bytes = max(self.peaks.gpu_bytes or 0, used)
        drawn = [device["drawn_w"] for device in devices if "drawn_w" in device]
        if drawn:
            self.peaks.gpu_power_w = max(self.peaks.gpu_power_w or 0.0, sum(drawn))
            self.peaks.gpu_joules += sum(drawn) * self._interval_s

    def measurement(self, candidate: str, *, now: float) -> Measurement:
        """Return the peaks as a record for the store."""
        peaks = self.peaks
        seen: dict[str, Any] = {
            "resident_bytes": peaks.resident_bytes,
            "cpu_cores": peaks.cpu_cores,
            "least_free_bytes": peaks.least_free_bytes,
            "gpu_bytes": peaks.gpu_bytes,
            "gpu_power_w": peaks.gpu_power_w,
            "gpu_joules": peaks.gpu_joules or None,
            "cpu_joules": peaks.cpu_joules,
        }
        values = {
            name: Estimate(
                value=value, low=value, high=value, source=Source.MEASURED, detail=f"{peaks.samples} samples"
            )
            for name, value in seen.items()
            if value is not None
        }
        return Measurement(
            candidate=candidate, kind="memory", values=values, taken_at=now, detail="; ".join(peaks.notes)
        )
