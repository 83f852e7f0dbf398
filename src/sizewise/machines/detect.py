"""`detect()`: what this machine is and what of it is free now. Every probe that fails leaves a note, never a guess.

Takes well under 0.1 s. Does not measure the engine (that is `calibrate`) and does not cover Windows job objects.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sizewise.machines.accelerators import find_accelerators
from sizewise.machines.devices import add_published_facts
from sizewise.machines.host import Host, LiveHost
from sizewise.machines.limits import Limits, container_kind, read_limits
from sizewise.records import Device, DeviceKind, Machine

_FEATURES = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "sve", "i8mm")


T = TypeVar("T")


def _tried(notes: list[str], what: str, probe: Callable[[], T], failed: T) -> T:
    """Return the probe's answer; on failure note why and return `failed`."""
    try:
        return probe()
    except (OSError, ValueError, KeyError) as error:
        notes.append(f"{what}: {error}")
        return failed


def _processor(host: Host) -> tuple[str, tuple[str, ...]]:
    """Return the processor's name and the instruction sets that matter to an engine."""
    if host.system == "Darwin":
        name = (host.run("sysctl", "-n", "machdep.cpu.brand_string") or "").strip()
        return name or "unknown processor", ("asimd",) if name.startswith("Apple") else ("avx2",)
    text = host.read("/proc/cpuinfo")
    if text is None:
        import platform

        if host.system == "Windows":
            return platform.processor() or "unknown processor", ()
        raise OSError("/proc/cpuinfo cannot be read")
    facts: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name") or facts.get("Hardware") or facts.get("CPU part", "unknown processor")
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return name, tuple(flag for flag in _FEATURES if flag in flags)


def measure_disk(path: Path | None = None, *, budget_s: float = 0.015) -> float:
    """Return bytes per second of a short read of a file past the page cache; OSError says why not.

    Reads the interpreter itself unless told otherwise. A short reading flatters disks with a cache of their own.
    """
    direct = getattr(os, "O_DIRECT", 0)
    if not direct:
        raise OSError("this system has no O_DIRECT, so a read would only show the page cache")
    path = path or _installed_file()
    if path.stat().st_size < 2**20:
        raise OSError(f"{path} is below 1 MiB, too small to time")
    return _read_directly(path, direct, budget_s)


def _installed_file() -> Path:
    """Return the interpreter or its library, whichever is larger: a file that is surely there."""
    libraries = (Path(sys.base_prefix) / "lib").glob("libpython*")
    return max((Path(sys.executable).resolve(), *libraries), key=lambda path: path.stat().st_size)


def _read_directly(path: Path, direct: int, budget_s: float) -> float:
    block = mmap.mmap(-1, 2**20)  # page-aligned, as O_DIRECT demands
    handle = os.open(path, os.O_RDONLY | direct)
    try:
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < budget_s and (got := os.preadv(handle, [block], done)):
            done += got
        if not done or spent <= 0:
            raise OSError("the read returned nothing")
        return done / spent
    finally:
        os.close(handle)
        block.close()


def _memory(host: Host, limits: Limits, notes: list[str]) -> tuple[int | None, int | None, int | None]:
    """Return (usable in all, free now, swap); free is None when nobody could say, never the total."""
    nothing: Mapping[str, int] = {}
    figures = _tried(notes, "memory", host.memory, nothing)
    total, free, swap = figures.get("total"), figures.get("available"), figures.get("swap")
    if limits.memory_bytes is not None and (total is None or limits.memory_bytes < total):
        notes.append(f"memory: a control group limits this process to {limits.memory_bytes / 2**30:.1f} GiB")
        total = limits.memory_bytes
        if limits.memory_free_bytes is None:
            notes.append("memory: the control group does not tell what it uses, so free memory is not known")
            return total, None, swap
    if limits.memory_free_bytes is not None:
        free = limits.memory_free_bytes if free is None else min(free, limits.memory_free_bytes)
    return total, free, swap


def _with_shared_memory(device: Device, total: int | None, free: int | None) -> Device:
    """Give a unified device what it may use of main memory."""
    if device.kind is not DeviceKind.UNIFIED:
        return device
    usable = device.memory_bytes if device.memory_bytes is not None else total
    shared_free = None if free is None else min(free, usable) if usable is not None else free
    return replace(device, memory_bytes=usable, memory_free_bytes=shared_free)


def detect(host: Host | None = None, *, name: str = "this machine") -> Machine:
    """Return this machine: processor, accelerators, memory in all and free now under every limit.

    `host` is what the probes ask; a `RecordedHost` replays a machine seen before. Published facts
    (bandwidth, operations per second, power) are added from the device catalog where the name is known.

    >>> detect().devices[0].kind
    <DeviceKind.CPU: 'cpu'>
    """
    live = host is None
    host = host or LiveHost()
    notes: list[str] = []
    unknown: tuple[str, tuple[str, ...]] = ("unknown processor", ())
    cpu_name, features = _tried(notes, "processor", lambda: _processor(host), unknown)
    limits = _tried(notes, "control groups", lambda: read_limits(host), Limits())
    cores = float(_tried(notes, "cores", host.cores, 1))
    if limits.cpu_cores is not None:
        cores = min(cores, limits.cpu_cores)
    total, free, swap = _memory(host, limits, notes)
    accelerators, remarks = find_accelerators(host)
    processor = Device(name=cpu_name, kind=DeviceKind.CPU, memory_bytes=total, memory_free_bytes=free)
    devices = [processor, *(_with_shared_memory(device, total, free) for device in accelerators)]
    return Machine(
        name=name,
        devices=tuple(add_published_facts(device) for device in devices),
        cpu_cores=cores,
        cpu_features=features,
        memory_bytes=total,
        memory_free_bytes=free,
        swap_bytes=swap,
        disk_read_bytes_per_s=_tried(notes, "disk", measure_disk, None) if live else None,
        operating_system=host.system,
        container=_tried(notes, "container", lambda: container_kind(host), ""),
        notes=(*notes, *remarks),
    )
