"""The fitted constants that ship with the package, read once: `data/speed_fit.json`, written by the fit's command.

`python benchmarks/predict_fit.py` writes the file and its held-out errors from the collected measurements.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from sizewise.prediction.fitting import DecodeConstants
from sizewise.records import Device, DeviceKind

_DATA = Path(__file__).parent.parent / "data"


@lru_cache(maxsize=1)
def fitted() -> dict[str, Any]:
    """Return the whole document: decode, prefill, serving, energy, each with ranges and held-out errors."""
    document: dict[str, Any] = json.loads((_DATA / "speed_fit.json").read_text(encoding="utf-8"))
    return document


def device_class(device: Device) -> str:
    """Return the class whose constants a device shares: its vendor; NVIDIA cards before 2018 apart; cpu.

    >>> device_class(Device(name="GTX 1080 Ti", vendor="NVIDIA"))
    'NVIDIA before Turing'
    """
    if device.kind is DeviceKind.CPU:
        return "cpu"
    if device.vendor == "NVIDIA" and re.search(r"\bGTX (7|9|10)\d\d|\bP100\b|\bP40\b|Quadro [KMP]", device.name):
        return "NVIDIA before Turing"
    return device.vendor or "any"


@lru_cache(maxsize=64)
def decode_constants(name: str) -> DecodeConstants:
    """Return the decode law of a class, that of all devices for a class that no measurement showed."""
    classes = fitted()["decode"]["classes"]
    return DecodeConstants(**classes.get(name, classes["any"]))


def decode_range(name: str) -> tuple[float, float]:
    """Return (low, high) factors on tokens per second that held 90 % of held-out measurements of a class."""
    ranges = fitted()["decode"]["ranges"]
    low, high = ranges.get(name, ranges["any"])
    return float(low), float(high)
