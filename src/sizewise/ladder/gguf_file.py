"""Writing GGUF files (version 3, little-endian): metadata, tensor table, aligned data.

Not covered: reading (the models room does that), big-endian files, splits.
Layout: the GGUF specification in the ggml repository, docs/gguf.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"GGUF"
VERSION = 3
ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 4, 5, 6, 7, 8, 9, 10
"""Type numbers of metadata values."""

Value = str | bool | int | float | Sequence[str] | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor as the file stores it."""

    name: str
    shape: tuple[int, ...]
    """Row length first, the order of the file."""
    type_number: int
    """ggml's number of the element type: 0 F32, 1 F16, 2 Q4_0, 8 Q8_0 ..."""
    data: bytes


def text(value: str) -> bytes:
    """Return a string as GGUF stores it: length in 8 bytes, then UTF-8.

    >>> text("ab")
    b'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00ab'
    """
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def encoded(value: Value) -> bytes:
    """Return a metadata value with its type: whole numbers as uint32 (uint64 when large), decimals as float32."""
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value) if value < 2**32 else struct.pack("<IQ", UINT64, value)
    if isinstance(value, float):
        return struct.pack("<If", FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + text(value)
    head = struct.pack("<I", ARRAY)
    if all(isinstance(item, str) for item in value):
        return head + struct.pack("<IQ", STRING, len(value)) + b"".join(text(str(item)) for item in value)
    return head + struct.pack("<IQ", INT32, len(value)) + b"".join(struct.pack("<i", item) for item in value)


def write(path: Path, metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> None:
    """Write a GGUF file; an existing one is replaced whole."""
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(metadata))]
    parts += [text(key) + encoded(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        parts.append(text(tensor.name) + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
        parts.append(struct.pack("<IQ", tensor.type_number, offset))
        offset += _padded(len(tensor.data))
    head = b"".join(parts)
    body = [head.ljust(_padded(len(head)), b"\0")]
    body += [tensor.data.ljust(_padded(len(tensor.data)), b"\0") for tensor in tensors]
    partial = path.with_suffix(".partial")
    partial.write_bytes(b"".join(body))
    partial.replace(path)


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
