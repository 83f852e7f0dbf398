"""How long until a model can answer: reading its file, copying it where it computes, repacking, starting the engine.

Cold is from disk, warm from the page cache. A file is mapped: from the page cache only what the engine's warm-up step
reads costs time (seen: 850 MB of experts, of which an eighth is used, load in 24 ms). Not covered: downloading, merges
of a tokenizer.
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
    seconds += facts.read_bytes / warm + (size / disk if cold else 0.0)
    if on_gpu:
        seconds += size / _UPLOAD_BYTES_PER_S
    else:
        seconds += facts.repack_bytes / own.get("repack", _REPACK_BYTES_PER_S)
    known, quantity, half = bool(own), "load cold" if cold else "load", 1.5
    if machine.calibration and known:
        seconds *= 1.0 if on_gpu else machine.calibration.correction.get(quantity, 1.0)
        half = machine.calibration.residual.get(quantity, 0.8)
    return Estimate(
        value=seconds,
        low=seconds / (1 + half),
        high=seconds * (1 + half),
        source=Source.PREDICTED if known else Source.ASSUMED,
        detail=("cold" if cold else "warm") + (", calibrated" if known else ", disk and copy speed assumed"),
    )
