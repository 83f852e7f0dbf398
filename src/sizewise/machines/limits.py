"""What a container or a control group lets this process use of the machine: memory, free memory, cores.

Covers cgroup v2, v1 and none, with limits on any ancestor. Does not cover Windows job objects.
Sources of the rules: the kernel's documentation of cgroup-v1/memory and cgroup-v2 (memory.max, memory.current,
cpu.max; inactive file pages count as used but are given back on demand).
"""

from __future__ import annotations

from dataclasses import dataclass

from sizewise.machines.host import Host

_ROOT = "/sys/fs/cgroup"
_UNLIMITED = 1 << 60
"""cgroup v1 writes "no limit" as a number near 2^63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The tightest limit over the group and its ancestors; None where there is none."""

    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    cpu_cores: float | None = None


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _inactive_file(host: Host, folder: str, key: str) -> int:
    for line in (host.read(f"{folder}/memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


def _ancestors(base: str, path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return [base + "".join(f"/{part}" for part in parts[:depth]) for depth in range(len(parts), -1, -1)]


def _group_paths(host: Host) -> dict[str, str]:
    """Return controller -> path of this process; the empty name is cgroup v2."""
    paths = {"": "/"}
    for line in (host.read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _v2(host: Host, folder: str) -> Limits:
    memory, free, cores = _number(host.read(f"{folder}/memory.max")), None, None
    if memory is not None:
        used = _number(host.read(f"{folder}/memory.current"))
        if used is not None:
            free = max(0, memory - used + _inactive_file(host, folder, "inactive_file"))
    quota, _, period = (host.read(f"{folder}/cpu.max") or "").partition(" ")
    if quota.strip().isdigit() and period.strip().isdigit():
        cores = int(quota) / int(period)
    return Limits(memory_bytes=memory, memory_free_bytes=free, cpu_cores=cores)


def _v1_memory(host: Host, folder: str) -> Limits:
    memory = _number(host.read(f"{folder}/memory.limit_in_bytes"))
    if memory is None or memory >= _UNLIMITED:
        return Limits()
    used = _number(host.read(f"{folder}/memory.usage_in_bytes"))
    free = None
    if used is not None:
        free = max(0, memory - used + _inactive_file(host, folder, "total_inactive_file"))
    return Limits(memory_bytes=memory, memory_free_bytes=free)


def _v1_cpu(host: Host, folder: str) -> Limits:
    quota, period = _number(host.read(f"{folder}/cpu.cfs_quota_us")), _number(host.read(f"{folder}/cpu.cfs_period_us"))
    return Limits(cpu_cores=quota / period) if quota and quota > 0 and period else Limits()


def read_limits(host: Host) -> Limits:
    """Return the tightest limits of the control groups that hold this process.

    Free memory is the limit minus what is used, inactive file pages counted as free, since the kernel
    gives them back before it kills anybody.

    >>> from sizewise.machines.host import RecordedHost
    >>> files = {"/sys/fs/cgroup/memory.max": "2147483648", "/sys/fs/cgroup/memory.current": "147483648"}
    >>> read_limits(RecordedHost({"files": files})).memory_free_bytes
    2000000000
    """
    paths = _group_paths(host)
    found = [_v2(host, folder) for folder in _ancestors(_ROOT, paths[""])]
    found += [_v1_memory(host, folder) for folder in _ancestors(f"{_ROOT}/memory", paths.get("memory", "/"))]
    found += [_v1_cpu(host, folder) for folder in _ancestors(f"{_ROOT}/cpu", paths.get("cpu", "/"))]

    return Limits(
        memory_bytes=min((limit.memory_bytes for limit in found if limit.memory_bytes is not None), default=None),
        memory_free_bytes=min((x.memory_free_bytes for x in found if x.memory_free_bytes is not None), default=None),
        cpu_cores=min((limit.cpu_cores for limit in found if limit.cpu_cores is not None), default=None),
    )


def container_kind(host: Host) -> str:
    """Return docker, podman, kubernetes, lxc ... or an empty string when no sign of a container is seen."""
    if host.read("/.dockerenv") is not None:
        return "docker"
    if host.read("/run/.containerenv") is not None:
        return "podman"
    for part in (host.read("/proc/1/environ") or "").split("\0"):
        if part.startswith("container="):
            return part.partition("=")[2].strip() or "container"
    groups = host.read("/proc/self/cgroup") or ""
    for word in ("kubepods", "docker", "lxc", "containerd"):
        if word in groups:
            return "kubernetes" if word == "kubepods" else word
    return ""
