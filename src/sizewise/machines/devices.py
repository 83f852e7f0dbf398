"""The device catalog: one row a device, each fact with its source, and machines made of devices one does not own.

Facts are peaks that makers publish; what is reached of them is `prediction`'s business. Does not cover NPUs.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from sizewise.errors import ConfigError
from sizewise.records import Device, DeviceKind, Machine

_DATA = Path(__file__).parent.parent / "data"
_SOURCES = {
    "aic": "aiconfigurator 0.12 (Apache-2.0)",
    "chf": "chimeraforge 0.76 (MIT), makers' pages",
    "lla": "llm-analysis 0.2.2 (Apache-2.0)",
    "wllm": "whichllm (MIT)",
    "llmfit": "llmfit (MIT)",
    "retail": "usual retail board, assumed",
}
_NOISE = re.compile(
    r"\b(nvidia|geforce|apple|amd|ati|corporation|graphics|gpu|generation|tesla|radeon(?= rx)|80gb hbm3)\b"
)
_MOST_DEVICES, _MOST_GIB = 64, 4096
_HOST_MEMORY_BYTES = 64 * 2**30
_HOST_BANDWIDTH = 60e9
"""A planned machine with a graphics card is given 64 GiB of dual-channel memory, and says so."""


@lru_cache(maxsize=1)
def read_devices() -> tuple[Device, ...]:
    """Return every device of the catalog, sorted by name.

    >>> next(device.bandwidth_bytes_per_s for device in read_devices() if device.name == "RTX 4090")
    1008000000000.0
    """
    text = (_DATA / "devices.csv").read_text(encoding="utf-8")
    return tuple(_device(row) for row in csv.DictReader(text.splitlines()))


def _device(row: dict[str, str]) -> Device:
    def number(key: str, unit: float) -> float | None:
        return float(row[key]) * unit if row[key] else None

    memory = number("memory_gib", 2**30)
    names = {"memory_gib": "memory_bytes", "bandwidth_gbps": "bandwidth_bytes_per_s", "fp16_tflops": "flops"}
    sources = dict(part.split("=") for part in row["sources"].split(";"))
    return Device(
        name=row["name"],
        kind=DeviceKind(row["kind"]),
        vendor=row["vendor"],
        memory_bytes=None if memory is None else int(memory),
        bandwidth_bytes_per_s=number("bandwidth_gbps", 1e9),
        flops=number("fp16_tflops", 1e12),
        fp8_flops=number("fp8_tflops", 1e12),
        fp4_flops=number("fp4_tflops", 1e12),
        power_w=number("power_w", 1.0),
        price_usd=number("price_usd", 1.0),
        sources={names.get(key, key): _SOURCES[code] for key, code in sources.items()},
    )


def _words(name: str) -> frozenset[str]:
    text = _NOISE.sub(" ", name.lower().replace("gb10", "dgx spark").replace("-", " ").replace("_", " "))
    text = re.sub(r"(\d+) ?gb\b", r"\1gb", text).replace(" pcie", " pcie ").replace("nvl", "pcie")
    return frozenset(re.findall(r"[a-z0-9+]+", text))


@lru_cache(maxsize=1)
def _index() -> tuple[tuple[frozenset[str], Device], ...]:
    return tuple((_words(device.name), device) for device in read_devices())


def find_device(name: str) -> Device | None:
    """Return the catalog's device for a driver's or a person's spelling, None when no row's words are all in it.

    The longest matching row wins, so "NVIDIA GeForce RTX 4070 Ti SUPER" is not a 4070. A laptop part is never
    taken for the desktop card of the same number: its bandwidth and power are others.

    >>> find_device("NVIDIA GeForce RTX 4090").name
    'RTX 4090'
    >>> find_device("NVIDIA GeForce RTX 4090 Laptop GPU") is None
    True
    """
    words = _words(name)
    laptop = bool(words & {"laptop", "max", "mobile"} & {"laptop", "mobile"})
    fits = [(len(own), device) for own, device in _index() if own <= words and ("laptop" in own) == laptop]
    if not fits:  # a spelling without the memory size: the row that adds only a size or a socket
        extra = {"sxm", "hbm3"} | {word for own, _ in _index() for word in own if word.endswith("gb")}
        fits = [(len(own), device) for own, device in _index() if words and words <= own and own - words <= extra]
    return max(fits, key=lambda fit: (fit[0], fit[1].memory_bytes or 0))[1] if fits else None


def add_published_facts(device: Device) -> Device:
    """Return the device with bandwidth, operations per second and power of its catalog row, where it has one."""
    known = find_device(device.name) if device.kind is not DeviceKind.CPU else None
    if known is None:
        return device
    return replace(
        device,
        bandwidth_bytes_per_s=device.bandwidth_bytes_per_s or known.bandwidth_bytes_per_s,
        flops=device.flops or known.flops,
        fp8_flops=device.fp8_flops or known.fp8_flops,
        fp4_flops=device.fp4_flops or known.fp4_flops,
        power_w=device.power_w or known.power_w,
        memory_bytes=device.memory_bytes or known.memory_bytes,
        sources={**known.sources, **device.sources},
    )


def planned_machine(text: str) -> Machine:
    """Return a machine one does not own, from a name like "RTX 4090", "2x RTX 3090" or "M4 Pro 48GB".

    Memory counts as all free, which the machine's notes say. Raises ConfigError, with near names, for a device
    that the catalog does not have.

    >>> planned_machine("2x RTX 3090").devices[2].name
    'RTX 3090'
    """
    match = re.fullmatch(r"\s*(?:(\d+)\s*x\s*)?(.+?)(?:\s+(\d+)\s*GB)?\s*", text, re.IGNORECASE)
    count, name, size = (match.group(1), match.group(2), match.group(3)) if match else (None, text, None)
    device = find_device(text) or find_device(name)
    if device is None:
        name = name[:60]
        near = get_close_matches(name, [known.name for known in read_devices()], n=3, cutoff=0.4)
        hint = f"; near names: {', '.join(near)}" if near else ""
        raise ConfigError(f"no device {name!r} in the catalog{hint}; `sizewise plan --list-devices` prints all names")
    number = int(count) if count is not None else 1
    if not 1 <= number <= _MOST_DEVICES:
        raise ConfigError(
            f"{number} devices in {text[:60]!r}; expected 1 to {_MOST_DEVICES} of one kind in one machine, "
            "for example '2x RTX 3090'"
        )
    if number > 1 and device.kind is not DeviceKind.GPU:
        raise ConfigError(
            f"{number} of {device.name} in one machine; expected one, since its memory is the machine's own. "
            "Name one, and divide the requests over several machines"
        )
    if size is not None and not 1 <= int(size) <= _MOST_GIB:
        raise ConfigError(f"{size[:20]} GB for {device.name}; expected its memory, 1 to {_MOST_GIB} GB")
    if size:
        device = replace(device, memory_bytes=int(size) * 2**30)
    if device.memory_bytes is None:
        raise ConfigError(f"the memory of {device.name} is not known; give it, for example {device.name + ' 16GB'!r}")
    return _machine_of(device, number)


def _machine_of(device: Device, count: int) -> Machine:
    size = device.memory_bytes or 0
    if device.kind is DeviceKind.UNIFIED:
        share = 1.0 if device.vendor != "Apple" else 3 / 4 if size > 36 * 10**9 else 2 / 3
        usable = int(size * share)
        owned = replace(device, memory_bytes=usable, memory_free_bytes=usable)
        memory, bandwidth = size, device.bandwidth_bytes_per_s
    else:
        owned = replace(device, memory_free_bytes=size)
        memory, bandwidth = _HOST_MEMORY_BYTES, _HOST_BANDWIDTH
    processor = Device(
        name="processor of the planned machine",
        kind=DeviceKind.CPU,
        memory_bytes=memory,
        memory_free_bytes=memory,
        bandwidth_bytes_per_s=bandwidth,
        sources={"bandwidth_bytes_per_s": "assumed"},
    )
    return Machine(
        name=f"{count}x {device.name}" if count > 1 else device.name,
        devices=(processor, *(owned for _ in range(count))),
        cpu_cores=8.0,
        memory_bytes=memory,
        memory_free_bytes=memory,
        notes=("a planned machine: all of its memory counts as free",),
    )
