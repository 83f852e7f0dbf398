"""What a probe may ask of the computer it runs on, and a recording of it that answers the same questions.

Every probe of this room goes through a `Host`, so a machine seen once can be looked at again anywhere:
`LiveHost().record()` is a plain mapping, `RecordedHost` reads it back. Does not cover writing to the machine.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

RECORDED_FILES = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/1/environ",
    "/.dockerenv",
    "/run/.containerenv",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/memory.stat",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    "/sys/fs/cgroup/memory/memory.stat",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/sys/class/drm/card*/device/vendor",
    "/sys/class/drm/card*/device/device",
    "/sys/class/drm/card*/device/product_name",
    "/sys/class/drm/card*/device/mem_info_vram_total",
    "/sys/class/drm/card*/device/mem_info_vram_used",
    "/sys/class/drm/card*/device/mem_info_gtt_total",
    "/sys/class/drm/card*/lmem_total_bytes",
)
"""What a recording of a Linux machine keeps; the environment of process 1 is cut to the container's kind."""


class Host(Protocol):
    """The questions; None or an exception of the OSError kind means "cannot say"."""

    system: str
    """Linux, Darwin or Windows."""

    def read(self, path: str) -> str | None:
        """Return a small text file, None when it is not there."""
        ...

    def glob(self, pattern: str) -> Sequence[str]:
        """Return the paths that match, sorted."""
        ...

    def run(self, *command: str) -> str | None:
        """Return what a program prints, None when it is not installed or fails."""
        ...

    def cores(self) -> int:
        """Return the processor cores that the affinity mask lets this process use."""
        ...

    def memory(self) -> Mapping[str, int]:
        """Return total, available and swap bytes as the operating system reports them."""
        ...

    def nvml(self) -> Sequence[Mapping[str, Any]]:
        """Return one mapping a NVIDIA device: name, total, free, power_w; raises OSError with the reason."""
        ...


class LiveHost:
    """This computer."""

    def __init__(self) -> None:
        """Remember the operating system."""
        self.system = platform.system()

    def read(self, path: str) -> str | None:
        """Return a small text file, None when it is not there or may not be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def glob(self, pattern: str) -> Sequence[str]:
        """Return the paths that match, sorted."""
        return sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))

    def run(self, *command: str) -> str | None:
        """Return what a program prints within two seconds, None when it is not there or fails."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def cores(self) -> int:
        """Return the cores of the affinity mask, else all."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def memory(self) -> Mapping[str, int]:
        """Return total, available and swap bytes from /proc/meminfo, from psutil where there is none."""
        lines = (line.split() for line in (self.read("/proc/meminfo") or "").splitlines())
        kilobytes = {parts[0].rstrip(":"): int(parts[1]) for parts in lines if len(parts) > 1}
        if "MemAvailable" in kilobytes:
            names = {"total": "MemTotal", "available": "MemAvailable", "swap": "SwapTotal"}
            return {ours: 1024 * kilobytes.get(theirs, 0) for ours, theirs in names.items()}
        import psutil

        virtual = psutil.virtual_memory()
        return {"total": virtual.total, "available": virtual.available, "swap": psutil.swap_memory().total}

    def nvml(self) -> Sequence[Mapping[str, Any]]:
        """Ask the NVIDIA driver through nvidia-ml-py; MIG slices count as devices of their own."""
        try:
            import pynvml
        except ImportError as error:
            raise OSError("nvidia-ml-py is not installed (pip install 'sizewise[nvidia]')") from error
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise OSError(f"the NVIDIA driver does not answer ({error})") from error
        try:
            return [_nvml_device(pynvml, part) for part in _nvml_parts(pynvml)]
        except pynvml.NVMLError as error:
            raise OSError(f"the NVIDIA driver broke off ({error})") from error
        finally:
            pynvml.nvmlShutdown()

    def record(self) -> dict[str, Any]:
        """Return what `RecordedHost` needs to answer as this computer does now."""
        files = {path: text for pattern in RECORDED_FILES for path in self.glob(pattern) if (text := self.read(path))}
        if "/proc/1/environ" in files:
            parts = [part for part in files["/proc/1/environ"].split("\0") if part.startswith("container=")]
            files["/proc/1/environ"] = "\0".join(parts)
        try:
            nvidia: Any = list(self.nvml())
        except OSError as error:
            nvidia = str(error)
        return {
            "system": self.system,
            "cores": self.cores(),
            "memory": dict(self.memory()),
            "files": files,
            "commands": {},
            "nvml": nvidia,
        }


def _nvml_parts(nvml: Any) -> list[Any]:
    """Return the handles of whole GPUs and, where a GPU is cut into MIG slices, of its slices instead."""
    parts: list[Any] = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        slices = []
        try:
            if nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE:
                for slot in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                    slices.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot))
        except nvml.NVMLError:
            pass  # the GPU has no MIG, or no slice in this slot
        parts.extend(slices or [handle])
    return parts


def _nvml_device(nvml: Any, handle: Any) -> dict[str, Any]:
    name = nvml.nvmlDeviceGetName(handle)
    device: dict[str, Any] = {"name": name.decode() if isinstance(name, bytes) else name}
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        device |= {"total": int(memory.total), "free": int(memory.free)}
    except nvml.NVMLError as error:  # unified memory (GB10, Jetson) has no count of its own
        device["memory_reason"] = str(error)
    try:
        device["power_w"] = nvml.nvmlDeviceGetPowerManagementLimit(handle) / 1000.0
    except nvml.NVMLError as error:
        device["power_reason"] = str(error)
    try:
        device["drawn_w"] = nvml.nvmlDeviceGetPowerUsage(handle) / 1000.0
    except nvml.NVMLError as error:
        device["power_reason"] = str(error)
    return device


class RecordedHost:
    """A machine seen before: answers from a mapping as `LiveHost.record` makes it; missing answers fail."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        """Keep the recording."""
        self.system = str(record.get("system", "Linux"))
        self._record = record

    def read(self, path: str) -> str | None:
        """Return the recorded text of a file."""
        text = self._record.get("files", {}).get(path)
        return None if text is None else str(text)

    def glob(self, pattern: str) -> Sequence[str]:
        """Return recorded paths that match."""
        depth = pattern.count("/")
        return sorted(p for p in self._record.get("files", {}) if fnmatch(p, pattern) and p.count("/") == depth)

    def run(self, *command: str) -> str | None:
        """Return the recorded output of a program."""
        text = self._record.get("commands", {}).get(" ".join(command))
        return None if text is None else str(text)

    def cores(self) -> int:
        """Return the recorded count; fails when there is none."""
        if "cores" not in self._record:
            raise OSError("the recording has no core count")
        return int(self._record["cores"])

    def memory(self) -> Mapping[str, int]:
        """Return the recorded memory; fails when there is none."""
        if "memory" not in self._record:
            raise OSError("the recording has no memory figures")
        figures: Mapping[str, int] = self._record["memory"]
        return figures

    def nvml(self) -> Sequence[Mapping[str, Any]]:
        """Return the recorded devices, or fail with the recorded reason."""
        answer = self._record.get("nvml", "the recording has no NVIDIA driver")
        if isinstance(answer, str):
            raise OSError(answer)
        return list(answer)
