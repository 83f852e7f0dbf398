"""Peak resident memory of another process of ours."""

from __future__ import annotations

from pathlib import Path


def peak_resident_bytes(pid: int) -> int | None:
    """Return the peak (Linux) or else the present (psutil) resident memory in bytes, None when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _present(pid)
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else None


def _present(pid: int) -> int | None:
    import psutil

    try:
        resident: int = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return None
    return resident
