"""Read the headers of safetensors files: tensor names, types and shapes, without their data.

A file begins with the length of a JSON header, then the header; an index file lists the shards of a large model. The
length is checked against the file and against what a header of a real model needs. Not covered: tensor data.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from sizewise.errors import ModelError
from sizewise.models.gguf_reading import StoredTensor

TYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
LONGEST_HEADER = 8 * 2**20
"""Headers of real files stay below 1 MB; a claim above this is not believed."""
_MOST_SHARDS = 4096


def parse_json(text: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object; raise `ModelError` for anything else, deep nesting included."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is not JSON: {str(error)[:120]}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{what} holds a JSON {type(found).__name__}; expected an object")
    return found


def read_safetensors(path: Path) -> tuple[StoredTensor, ...]:
    """Return the tensors of one file; raise `ModelError` where header and file do not agree."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            if not 2 <= length <= min(LONGEST_HEADER, size - 8):
                raise ModelError(
                    f"{path.name} claims a header of {length} bytes in a file of {size}; expected a safetensors file. "
                    f"Download it again."
                )
            header = parse_json(file.read(length), f"the header of {path.name}")
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error}. Check the path and its permissions.") from error
    return parse_header(header, size - 8 - length, path.name)


def parse_header(header: Mapping[str, Any], data_bytes: int | None, what: str) -> tuple[StoredTensor, ...]:
    """Return the tensors of a parsed header, each checked to lie inside the data (when its size is known)."""
    return tuple(_tensor(name, facts, data_bytes, what) for name, facts in header.items() if name != "__metadata__")


def _tensor(name: str, facts: Any, data_bytes: int | None, what: str) -> StoredTensor:
    if not isinstance(facts, dict):
        raise ModelError(f"{what}: tensor {name[:60]!r} has no description")
    kind: Any = facts.get("dtype")
    shape: Any = facts.get("shape")
    offsets: Any = facts.get("data_offsets")
    if not isinstance(kind, str) or kind not in TYPE_BITS:
        raise ModelError(f"{what}: tensor {name[:60]!r} has type {str(kind)[:20]!r}; known are {', '.join(TYPE_BITS)}")
    if not _numbers(shape) or len(shape) > 16 or not _numbers(offsets) or len(offsets) != 2:
        raise ModelError(f"{what}: tensor {name[:60]!r} has a broken shape or place")
    elements, stored = prod(shape), offsets[1] - offsets[0]
    if stored != elements * TYPE_BITS[kind] // 8 or (data_bytes is not None and offsets[1] > data_bytes):
        raise ModelError(
            f"{what}: tensor {name[:60]!r} of shape {str(shape)[:60]} takes {stored} bytes ending at {offsets[1]}; "
            f"the file is damaged or incomplete"
        )
    return StoredTensor(name=name, shape=tuple(shape), type_name=kind, bytes=stored, elements=elements)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**62 for item in value
    )


def shards(folder: Path) -> list[Path]:
    """Return the safetensors files of a model folder, in order; raise `ModelError` where one is missing."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        if index.stat().st_size > 8 * LONGEST_HEADER:
            raise ModelError(f"{index} has {index.stat().st_size} bytes, too many for an index")
        weights = parse_json(index.read_bytes(), index.name).get("weight_map")
        if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
            raise ModelError(f"{index.name} has no 'weight_map' of file names")
        names = sorted(set(weights.values()))
        if len(names) > _MOST_SHARDS or any("/" in name or "\\" in name or name.startswith(".") for name in names):
            raise ModelError(f"{index.name} names files outside its folder")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{len(missing)} of {len(names)} shards are missing in {folder}, first {missing[0]}")
        return [folder / name for name in names]
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())
