"""Graphics processors of this machine, one function a vendor; what a driver does not say is left open, with the reason.

NVIDIA through nvidia-ml-py, else nvidia-smi; AMD and Intel through the kernel's files; Apple through sysctl.
Does not cover NPUs, and on Windows only NVIDIA.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sizewise.machines.host import Host
from sizewise.records import Device, DeviceKind

Found = tuple[list[Device], list[str]]
"""Devices, and notes on what could not be asked."""

_AMD, _INTEL = "0x1002", "0x8086"
_AMD_NAMES = {
    "0x744c": "RX 7900 XTX", "0x7480": "RX 7600", "0x73bf": "RX 6800 XT", "0x7550": "RX 9070 XT",
    "0x7590": "RX 9060 XT", "0x747e": "RX 7800 XT", "0x1586": "Radeon 8060S", "0x15bf": "Radeon 780M",
    "0x150e": "Radeon 890M", "0x74a1": "MI300X", "0x7551": "R9700", "0x73df": "RX 6700 XT",
}  # fmt: skip
"""PCI device id -> name, for cards whose driver gives none; from memory, not checked against pci.ids."""
_INTEL_DISCRETE = {"0xe20b": "Arc B580", "0xe20c": "Arc B570", "0x56a0": "Arc A770", "0x56a1": "Arc A750"}
_SHARED = ("GB10", "Jetson", "Orin", "Thor", "Tegra")


def _integer(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isdigit() else None


def nvidia(host: Host) -> Found:
    """Return NVIDIA devices with their memory free now; from nvidia-smi where the Python binding is missing."""
    listed: list[Mapping[str, Any]]
    try:
        listed = list(host.nvml())
        source = "NVML"
    except OSError as error:
        listed, source = [*_nvidia_smi(host)], "nvidia-smi"
        if not listed:
            return [], [f"NVIDIA: {error}"]
    notes = [f"{row['name']}: {row['memory_reason']}" for row in listed if "memory_reason" in row]
    return [_nvidia_device(row, source) for row in listed], notes


def _nvidia_device(row: Mapping[str, Any], source: str) -> Device:
    shared = "total" not in row or any(word in row["name"] for word in _SHARED)
    sources = dict.fromkeys(("name", "memory_bytes", "memory_free_bytes", "power_w"), source)
    return Device(
        name=str(row["name"]),
        vendor="NVIDIA",
        kind=DeviceKind.UNIFIED if shared else DeviceKind.GPU,
        memory_bytes=None if shared else int(row["total"]),
        memory_free_bytes=None if shared or row.get("free") is None else int(row["free"]),
        power_w=row.get("power_w"),
        sources=sources,
    )


def _nvidia_smi(host: Host) -> list[dict[str, Any]]:
    text = host.run(
        "nvidia-smi", "--query-gpu=name,memory.total,memory.free,power.limit", "--format=csv,noheader,nounits"
    )
    rows = []
    for line in (text or "").splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 4:
            continue
        row: dict[str, Any] = {"name": parts[0]}
        if parts[1].isdigit():
            row["total"] = int(parts[1]) * 2**20
        if parts[2].isdigit():
            row["free"] = int(parts[2]) * 2**20
        if parts[3].replace(".", "", 1).isdigit():
            row["power_w"] = float(parts[3])
        rows.append(row)
    return rows


def _cards(host: Host, vendor: str) -> list[str]:
    folders = [path.removesuffix("/vendor") for path in host.glob("/sys/class/drm/card*/device/vendor")]
    return [folder for folder in folders if (host.read(f"{folder}/vendor") or "").strip() == vendor]


def amd(host: Host) -> Found:
    """Return AMD devices from the amdgpu driver's files; an APU with little memory of its own is unified."""
    devices, notes = [], []
    for folder in _cards(host, _AMD):
        identity = (host.read(f"{folder}/device") or "").strip()
        name = (host.read(f"{folder}/product_name") or "").strip() or _AMD_NAMES.get(identity, "")
        if not name:
            name = f"AMD GPU {identity}"
            notes.append(f"AMD: the driver gives no product name for PCI device {identity}; its speed is not known")
        total = _integer(host.read(f"{folder}/mem_info_vram_total"))
        used = _integer(host.read(f"{folder}/mem_info_vram_used"))
        if total is None:
            notes.append(f"AMD: {name} does not tell its memory (no mem_info_vram_total; is amdgpu loaded?)")
        unified = name.startswith("Radeon 8") or name.endswith("M") or (total is not None and total < 3 * 2**30)
        devices.append(
            Device(
                name=name,
                vendor="AMD",
                kind=DeviceKind.UNIFIED if unified else DeviceKind.GPU,
                memory_bytes=None if unified else total,
                memory_free_bytes=None if unified or total is None or used is None else total - used,
                sources={"memory_bytes": "amdgpu", "memory_free_bytes": "amdgpu"},
            )
        )
    return devices, notes


def intel(host: Host) -> Found:
    """Return Intel devices; integrated graphics share main memory, discrete cards do not tell what is free."""
    devices, notes = [], []
    for folder in _cards(host, _INTEL):
        identity = (host.read(f"{folder}/device") or "").strip()
        local = _integer(host.read(f"{folder.removesuffix('/device')}/lmem_total_bytes"))
        name = _INTEL_DISCRETE.get(identity, "Intel integrated graphics" if local is None else f"Intel GPU {identity}")
        discrete = local is not None or identity in _INTEL_DISCRETE
        if discrete:
            notes.append(f"Intel: {name} does not tell its free memory; nothing is promised to fit on it")
        devices.append(
            Device(
                name=name,
                vendor="Intel",
                kind=DeviceKind.GPU if discrete else DeviceKind.UNIFIED,
                memory_bytes=local,
                sources={"memory_bytes": "i915/xe driver"},
            )
        )
    return devices, notes


def apple(host: Host) -> Found:
    """Return the Apple GPU of this machine; what Metal lets it use of main memory is the kernel's wired limit.

    Metal's default working set is 2/3 of memory up to 36 GB and 3/4 above it, unless `iogpu.wired_limit_mb` says more.
    """
    chip = (host.run("sysctl", "-n", "machdep.cpu.brand_string") or "").strip()
    if not chip.startswith("Apple"):
        return [], []
    total = _integer(host.run("sysctl", "-n", "hw.memsize"))
    limit_mib = _integer(host.run("sysctl", "-n", "iogpu.wired_limit_mb"))
    if total is None:
        return [], ["Apple: sysctl hw.memsize does not answer"]
    usable = limit_mib * 2**20 if limit_mib else int(total * (3 / 4 if total > 36 * 10**9 else 2 / 3))
    device = Device(
        name=chip,
        vendor="Apple",
        kind=DeviceKind.UNIFIED,
        memory_bytes=usable,
        sources={
            "memory_bytes": "sysctl iogpu.wired_limit_mb" if limit_mib else "Metal's default share of main memory"
        },
    )
    return [device], []


_PROBES: Mapping[str, Sequence[Callable[[Host], Found]]] = {
    "Linux": (nvidia, amd, intel),
    "Darwin": (apple,),
    "Windows": (nvidia,),
}


def find_accelerators(host: Host) -> Found:
    """Return all accelerators, the one with the most memory first, and notes on probes that could not answer."""
    devices: list[Device] = []
    notes: list[str] = []
    for probe in _PROBES.get(host.system, ()):
        try:
            found, remarks = probe(host)
        except OSError as error:
            found, remarks = [], [f"{probe.__name__}: {error}"]
        devices += found
        notes += remarks
    return sorted(devices, key=lambda device: -(device.memory_bytes or 0)), notes
