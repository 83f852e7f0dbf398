"""Joules and grams of CO2e of an answer: power at the utilization of decoding, times time, shared by a batch.

Power while decoding is not the board's limit: a bandwidth-bound step leaves the arithmetic idle. Utilization shares
are assumptions with a wide range until a counter (NVML, RAPL) measured them. Not covered: cooling (PUE is an argument),
making the hardware.
"""

from __future__ import annotations

from dataclasses import dataclass

from sizewise.records import Bottleneck, Device, Estimate, Machine, Source

_IDLE_SHARE = 0.15
_ACTIVE_SHARE = {
    Bottleneck.BANDWIDTH: 0.62,
    Bottleneck.COMPUTE: 0.88,
    Bottleneck.OVERHEAD: 0.40,
    Bottleneck.MEMORY: 0.5,
    Bottleneck.NETWORK: 0.4,
    Bottleneck.UNKNOWN: 0.6,
}
"""Share of the board's power while that is the limit: TDP / throughput is 1.4 times too high at the median."""
_RANGE = 1.5
_CPU_CORE_W = (4.0, 6.0, 12.0)
"""Package power of one busy core: low, usual, high."""
_HOST_W = 40.0
"""Rest of a machine around a GPU: processor idle, memory, fans, supply losses."""
_APPLE_W_PER_GBPS = 0.11
"""Package watts of Apple chips while decoding, by gigabyte per second of their memory: assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Watts while a request is worked on, and while the machine waits."""

    active: Estimate
    idle_w: float


def _around(value: float, factor: float, detail: str) -> Estimate:
    return Estimate(value=value, low=value / factor, high=value * factor, source=Source.ASSUMED, detail=detail)


def power(machine: Machine, devices: tuple[Device, ...], bottleneck: Bottleneck) -> Power | None:
    """Return the power of a run on these devices; None when a device's power is not known."""
    total, idle, detail = 0.0, 0.0, []
    for device in devices:
        if device.kind == "cpu":
            total += machine.cpu_cores * _CPU_CORE_W[1]
            idle += 0.3 * machine.cpu_cores * _CPU_CORE_W[1]
            detail.append("6 W a core")
        elif device.power_w:
            total += device.power_w * _ACTIVE_SHARE[bottleneck] + _HOST_W
            idle += device.power_w * _IDLE_SHARE + _HOST_W
            detail.append(f"{_ACTIVE_SHARE[bottleneck]:.0%} of {device.power_w:.0f} W and {_HOST_W:.0f} W around it")
        elif device.vendor == "Apple" and device.bandwidth_bytes_per_s:
            watts = max(8.0, device.bandwidth_bytes_per_s / 1e9 * _APPLE_W_PER_GBPS)
            total, idle = total + watts, idle + 0.1 * watts
            detail.append("by memory bandwidth")
        else:
            return None
    factor = 2.0 if any(device.kind == "cpu" for device in devices) else _RANGE
    return Power(active=_around(total, factor, "; ".join(detail)), idle_w=idle)


def answer_energy(drawn: Power, seconds: Estimate, *, concurrency: float = 1.0, pue: float = 1.0) -> Estimate:
    """Return joules of one answer that takes `seconds` while `concurrency` of them share the machine."""
    scale = pue / max(1.0, concurrency)
    return Estimate(
        value=drawn.active.value * seconds.value * scale,
        low=drawn.active.low * seconds.low * scale,
        high=drawn.active.high * seconds.high * scale,
        source=Source.PREDICTED if drawn.active.source is not Source.ASSUMED else Source.ASSUMED,
        detail=drawn.active.detail,
    )


def carbon_g(joules: Estimate, g_per_kwh: float, region: str) -> Estimate:
    """Return grams of CO2e for electricity of `g_per_kwh` (lifecycle intensity of a region's generation).

    >>> carbon_g(Estimate(value=3.6e6, low=3.6e6, high=3.6e6, source=Source.MEASURED), 400.0, "XX").value
    400.0
    """
    scale = g_per_kwh / 3.6e6
    return Estimate(
        value=joules.value * scale,
        low=joules.low * scale,
        high=joules.high * scale,
        source=joules.source,
        detail=f"{g_per_kwh:.0f} g/kWh in {region}",
    )
