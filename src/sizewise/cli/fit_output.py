"""How `fit` and `plan` show machines and candidates as text: plain columns, so that the answer is there at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sizewise.records import Machine
from sizewise.units import format_bytes, format_seconds


def machine_lines(machine: Machine) -> list[str]:
    """Return what was found of the machine, one line a device, then what could not be asked."""
    lines = []
    for device in machine.devices:
        free = (
            "free memory not known"
            if device.memory_free_bytes is None
            else f"{format_bytes(device.memory_free_bytes)} free"
        )
        total = f" of {format_bytes(device.memory_bytes)}" if device.memory_bytes else ""
        cores = f", {machine.cpu_cores:g} cores" if device.kind == "cpu" else ""
        speed = f", {device.bandwidth_bytes_per_s / 1e9:.0f} GB/s" if device.bandwidth_bytes_per_s else ""
        lines.append(f"{device.name}: {free}{total}{cores}{speed}")
    if machine.calibration is None and any(device.kind == "cpu" for device in machine.devices):
        lines.append("speeds on the processor are assumed; `sizewise calibrate` measures them")
    return [*lines, *(f"note: {note}" for note in machine.notes)]


def _figure(value: float, digits: int) -> str:
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _span(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "?"
    return f"{_figure(estimate['value'], 3)} ({_figure(estimate['low'], 2)}-{_figure(estimate['high'], 2)})"


def _seconds(estimate: dict[str, Any] | None) -> str:
    return "?" if estimate is None else format_seconds(estimate["value"])


def cells(row: dict[str, Any]) -> list[str]:
    """Return the columns of one row."""
    energy, cost = row.get("energy_j_per_answer"), row.get("cost_usd_per_1k_answers")
    return [
        row["model"],
        row["quantization"],
        format_bytes(row["memory_bytes"]["value"]),
        format_bytes(row["headroom_bytes"]),
        _seconds(row["ttft_s"]),
        _span(row["decode_tokens_per_s"]),
        _seconds(row["load_s"]),
        "?" if energy is None else f"{energy['value'] / 3600:.2g}",
        "?" if cost is None else f"{cost['value']:.2g}",
        row["placement"],
    ]


HEADINGS = ("model", "quant", "peak", "headroom", "first token", "tok/s (90 %)", "load", "kWh/1K", "$/1K", "where")


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table: fitting candidates in columns, the others below with the reason."""
    fitting = [cells(row) for row in rows if row["fits"]]
    lines = []
    if fitting:
        widths = [max(len(line[index]) for line in (HEADINGS, *fitting)) for index in range(len(HEADINGS))]
        for line in (HEADINGS, *fitting):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    lines += [
        f"does not fit: {row['model']} {row['quantization']}: {row['why_not']}" for row in rows if not row["fits"]
    ]
    return lines
