"""The calibration of this machine: store it, find it again, refuse it on another processor."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from sizewise.machines.state import read_json, state_dir, write_json
from sizewise.records import Calibration, Machine


def store_path() -> Path:
    """Return the file that holds this machine's calibration."""
    return state_dir() / "calibration.json"


def save(calibration: Calibration, machine: Machine, path: Path | None = None) -> Path:
    """Store a calibration with the processor it belongs to; return the file."""
    path = path or store_path()
    write_json(path, {"processor": machine.devices[0].name, "cores": machine.cpu_cores, **asdict(calibration)})
    return path


def with_calibration(machine: Machine, path: Path | None = None) -> Machine:
    """Return the machine with its stored calibration; unchanged, with a note, when it was another processor's.

    >>> from sizewise.records import Machine
    >>> with_calibration(Machine(name="x", devices=()), Path("nowhere.json")).calibration is None
    True
    """
    document = read_json(path or store_path())
    if document is None or not machine.devices:
        return machine
    processor, cores = document.pop("processor", None), document.pop("cores", None)
    if processor != machine.devices[0].name or cores != machine.cpu_cores:
        note = f"the stored calibration is of {processor} with {cores} cores; run `sizewise calibrate` again"
        return replace(machine, notes=(*machine.notes, note))
    document["rejected"] = tuple(document.get("rejected", ()))
    try:
        return replace(machine, calibration=Calibration(**document))
    except TypeError:
        return replace(machine, notes=(*machine.notes, "the stored calibration is of another version; run it again"))
