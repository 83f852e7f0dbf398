"""Write GGUF files of true shape whose data are holes: megabytes on disk, tens of gigabytes by name.

Such a file has the real tensor table and the keys an engine needs, so an engine's own allocator can be asked what a
model costs, and a quantizer can be run dry, without any weights. Not covered: meaningful weights.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sizewise.models.file_layout import file_tensors
from sizewise.models.ggml import FILE_TYPES, TYPES, tensor_bytes
from sizewise.models.gguf_metadata import metadata, tokenizer
from sizewise.models.quantization import file_mix, tensor_types
from sizewise.records import Architecture

_ALIGNMENT = 32
_INT, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9
_SIGNED = 5


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _scalar(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return (_INT, struct.pack("<I", value)) if value >= 0 else (_SIGNED, struct.pack("<i", value))
    if isinstance(value, float):
        return _FLOAT, struct.pack("<f", value)
    return _STRING, _string(str(value))


def _value(value: Any) -> bytes:
    if not isinstance(value, list):
        kind, raw = _scalar(value)
        return struct.pack("<I", kind) + raw
    kind = _scalar(value[0])[0] if value else _INT
    if kind == _INT and all(isinstance(item, int) and not isinstance(item, bool) for item in value):
        return struct.pack("<IIQ", _ARRAY, _SIGNED, len(value)) + struct.pack(f"<{len(value)}i", *value)
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(_scalar(item)[1] for item in value)


def write_gguf(
    path: Path, keys: Mapping[str, Any], table: Iterable[tuple[str, tuple[int, ...], str]], *, version: int = 3
) -> int:
    """Write header, keys and tensor table, then a hole of the tensors' size; return the file's apparent bytes.

    `table` holds (name, shape in ggml order, type) rows; tensors are laid out in that order, aligned to 32 bytes.
    """
    rows = list(table)
    infos, offset = bytearray(), 0
    for name, shape, type_name in rows:
        infos += _string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack("<IQ", TYPES[type_name][0], offset)
        offset += -(-tensor_bytes(type_name, shape) // _ALIGNMENT) * _ALIGNMENT
    head = struct.pack("<4sIQQ", b"GGUF", version, len(rows), len(keys))
    body = b"".join(_string(key) + _value(value) for key, value in keys.items())
    with path.open("wb") as file:
        file.write(head + body + infos)
        start = -(-file.tell() // _ALIGNMENT) * _ALIGNMENT
        _hole(file, start + offset)
    return start + offset


def _hole(file: BinaryIO, size: int) -> None:
    file.flush()
    file.truncate(size)


def write_sparse_gguf(
    path: Path, architecture: Architecture, mix: str, *, imatrix: bool = False, vocabulary: bool = True
) -> int:
    """Write a sparse GGUF of this architecture and file mix; return its apparent bytes (disk use is a few MB).

    `vocabulary` adds a made-up tokenizer, without which servers refuse the file; its words cost about 20 bytes each.
    Raises `UnknownFact` where llama.cpp has no such architecture, `ConfigError` for an unknown mix.
    """
    mix = file_mix(mix)
    types = tensor_types(architecture, mix, imatrix=imatrix)
    keys: dict[str, Any] = metadata(architecture)
    keys |= {
        "general.name": f"{architecture.family} of true shape, data are holes",
        "general.file_type": FILE_TYPES[mix],
        "general.quantization_version": 2,
    }
    keys |= tokenizer(architecture.vocabulary) if vocabulary else {"tokenizer.ggml.model": "no_vocab"}
    rows = [(tensor.name, tensor.shape, types[tensor.name]) for tensor in file_tensors(architecture)]
    return write_gguf(path, keys, rows)
