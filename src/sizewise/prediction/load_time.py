"""How long until a model can answer: reading its file, copying it where it computes, repacking, starting the engine.

Cold is from disk, warm from the page cache. Not covered: downloading.
"""

from __future__ import annotations

from sizewise.prediction.facts import ModelFacts
from sizewise.records import Estimate, Machine, Source

_DISK_BYTES_PER_S = 500e6
_WARM_BYTES_PER_S = 2.5e9
_UPLOAD_BYTES_PER_S = 6e9
"""Assumed: about half of what PCIe 3.0 x16 can do."""
_REPACK_BYTES_PER_S = 0.5e9
_START_S = 0.25
_ENTRIES_PER_S = 200e3
"""Entries of the vocabulary that are read a second: assumed where nobody calibrated; 2 to 10 µs each seen here."""


def load_time(facts: ModelFacts, machine: Machine, *, on_gpu: bool, cold: bool = True) -> Estimate:
    """Return seconds from start to ready; on an unmeasured machine the range spans slow and fast disks."""
    own = machine.calibration.load_bytes_per_s if machine.calibration else {}
    size = facts.weight_bytes
    warm = own.get("warm", _WARM_BYTES_PER_S)
    disk = own.get("cold") or machine.disk_read_bytes_per_s or _DISK_BYTES_PER_S
    start = machine.calibration.load_overhead_s if machine.calibration else _START_S
    seconds = start + facts.shape.vocabulary / own.get("vocabulary", _ENTRIES_PER_S)
    seconds += size / min(disk, warm) if cold else size / warm
    if on_gpu:
        seconds += size / _UPLOAD_BYTES_PER_S
    else:
        seconds += facts.repack_bytes / own.get("repack", _REPACK_BYTES_PER_S)
    known = bool(own)
    half = machine.calibration.residual.get("load", 0.3) if machine.calibration and known else 1.5
    return Estimate(
        value=seconds,
        low=seconds / (1 + half),
        high=seconds * (1 + half),
        source=Source.PREDICTED if known else Source.ASSUMED,
        detail=("cold" if cold else "warm") + (", calibrated" if known else ", disk and copy speed assumed"),
    )
