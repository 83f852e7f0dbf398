"""Read a GGUF file's keys and tensor table without its data: memory-mapped, bounded, milliseconds at any size.

The format has no index, so a reader must pass the tokenizer's long arrays to reach the tensor table. Walking 400,000
strings takes Python 60 ms; instead the end of a long string array is searched at C speed and accepted only where the
number of length prefixes in between equals the number of strings that the array announces. Anything else is walked.

Every length is checked before it is believed and nothing is allocated from an unchecked number. Not covered: version 1
(2023, gone), big-endian files, tensor data.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from sizewise.errors import ModelError
from sizewise.models.ggml import NAMES, TYPES

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS, _MOST_TENSORS = 16_384, 131_072
_LONGEST_NAME, _LONGEST_TEXT = 1024, 4 * 2**20
_BUDGETS = {"kept numbers": 2**20, "text bytes": 2**25, "walked texts": 3 * 10**6, "searched bytes": 3 * 2**24}
"""What one file may make us keep or do in all, however its lengths are spread."""
_KEPT = 4096
"""Arrays of numbers up to this length are kept (per-layer settings); longer ones and texts are only measured."""
_JUMP = 2048
"""String arrays at least this long are passed by search."""
_KEY_STARTS = tuple(b"\0" * 7 + prefix for prefix in (b"tokenizer.", b"general.", b"quantize.", b"split."))
"""How the keys that follow a tokenizer's arrays begin: the upper bytes of their length, then their first word."""
_LONGEST_WORD = 64
"""Mean bytes of a vocabulary's words that a search still looks through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongArray:
    """An array that was measured but not kept."""

    kind: str
    count: int


class StoredTensor(NamedTuple):
    """One row of a file's tensor table."""

    name: str
    shape: tuple[int, ...]
    """ggml order for GGUF, row-major for safetensors."""
    type_name: str
    bytes: int
    elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """What one GGUF file says of itself."""

    path: str
    keys: dict[str, Any]
    tensors: tuple[StoredTensor, ...]
    file_bytes: int
    data_start: int


class _Cursor:
    """A position in a mapped file; every read is checked against the end."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data, self.path, self.at, self.end = data, path, 0, len(data)
        self.left = dict(_BUDGETS)

    def fail(self, why: str) -> ModelError:
        return ModelError(f"{self.path.name} is not a whole GGUF file: {why} (at byte {self.at} of {self.end})")

    def need(self, count: int) -> int:
        start = self.at
        if count < 0 or count > self.end - start:
            raise self.fail(f"{count} more bytes are announced than the file has")
        self.at = start + count
        return start

    def number(self, form: str) -> Any:
        start = self.need(struct.calcsize(form))
        return struct.unpack_from(form, self.data, start)[0]

    def spend(self, what: str, amount: int) -> bool:
        """Take from a budget; False (and nothing taken) when not enough is left."""
        if amount > self.left[what]:
            return False
        self.left[what] -= amount
        return True

    def text(self, longest: int) -> str:
        length = self.number("<Q")
        if length > longest:
            raise self.fail(f"a text of {length} bytes, expected at most {longest}")
        start = self.need(length)
        if not self.spend("text bytes", length):
            raise self.fail(f"more than {_BUDGETS['text bytes']} bytes of texts")
        return self.data[start : start + length].decode("utf-8", "replace")


def read_gguf(path: str | Path) -> GgufFile:
    """Return keys and tensor table of one GGUF file; raise `ModelError` where it is broken or not GGUF."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size < 24:
            raise ModelError(f"{path.name} has {size} bytes; a GGUF file has at least 24. Download it again.")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data, path))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}. Check the path and its permissions.") from error


def _parse(cursor: _Cursor) -> GgufFile:
    if cursor.data[:4] != b"GGUF":
        raise ModelError(
            f"{cursor.path.name} starts with {cursor.data[:4]!r}, not with b'GGUF'; expected a GGUF file "
            f"(an unfinished download or a text file in its place?)"
        )
    cursor.at = 4
    version = cursor.number("<I")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3)
        why = "it is big-endian" if swapped else f"it is GGUF version {version}"
        raise ModelError(f"{cursor.path.name} cannot be read: {why}; expected little-endian version 2 or 3")
    tensors, keys = cursor.number("<Q"), cursor.number("<Q")
    if keys > _MOST_KEYS or tensors > _MOST_TENSORS:
        raise cursor.fail(f"{keys} keys and {tensors} tensors, expected at most {_MOST_KEYS} and {_MOST_TENSORS}")
    found: dict[str, Any] = {}
    for _ in range(keys):
        name = cursor.text(_LONGEST_NAME)
        found[name] = _value(cursor, cursor.number("<I"))
    alignment = found.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 2**20:
        raise cursor.fail(f"alignment {alignment!r}, expected a power of two")
    rows = [_row(cursor) for _ in range(tensors)]
    start = -(-cursor.at // alignment) * alignment
    return GgufFile(
        path=str(cursor.path),
        keys=found,
        tensors=tuple(_placed(cursor, rows, start)),
        file_bytes=cursor.end,
        data_start=start,
    )


def _value(cursor: _Cursor, kind: int) -> Any:
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    if kind == _STRING:
        return cursor.text(_LONGEST_TEXT)
    if kind == _ARRAY:
        return _array(cursor)
    raise cursor.fail(f"value type {kind}, expected 0 to 12")


def _array(cursor: _Cursor) -> list[Any] | LongArray:
    kind, count = cursor.number("<I"), cursor.number("<Q")
    if kind in _SCALARS:
        form = _SCALARS[kind]
        start = cursor.need(count * struct.calcsize(form))
        if count > _KEPT or not cursor.spend("kept numbers", count):
            return LongArray(kind=form[1], count=count)
        return list(struct.unpack_from(f"<{count}{form[1]}", cursor.data, start))
    if kind != _STRING:
        raise cursor.fail(f"array of type {kind}, expected numbers or texts")
    if count > (cursor.end - cursor.at) // 8:
        raise cursor.fail(f"{count} texts are announced, more than the file can hold")
    if count < _JUMP or not _jump(cursor, count):
        _walk(cursor, count)
    return LongArray(kind="text", count=count)


def _walk(cursor: _Cursor, count: int) -> None:
    if not cursor.spend("walked texts", count):
        raise cursor.fail(f"more than {_BUDGETS['walked texts']} texts")
    unpack, data, at, end = struct.Struct("<Q").unpack_from, cursor.data, cursor.at, cursor.end
    try:
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
            if at > end:
                break
    except struct.error:
        at = end + 1
    if at > end:
        raise cursor.fail("a text reaches past the end")
    cursor.at = at


def _jump(cursor: _Cursor, count: int) -> bool:
    """Move past a string array by searching the next key; False where that cannot be shown to be right."""
    end = -1
    first = cursor.at + 8 * count
    limit = min(cursor.end, first + _LONGEST_WORD * count)
    if not cursor.spend("searched bytes", max(0, limit - first)):
        return False
    for prefix in _KEY_STARTS:
        at = cursor.data.find(prefix, first, limit)
        limit = at + len(prefix) if at >= 0 else limit
        end = at - 1 if at >= 0 else end
    if end < 0:
        return False
    key_length = cursor.data[end]
    kind = int.from_bytes(cursor.data[end + 8 + key_length : end + 12 + key_length], "little")
    if kind > 12 or cursor.data[cursor.at : end].count(b"\0" * 7) != count:
        return False
    cursor.at = end
    return True


def _row(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    name = cursor.text(_LONGEST_NAME)
    dims = cursor.number("<I")
    if dims > 4:
        raise cursor.fail(f"tensor {name[:60]!r} has {dims} dimensions, expected at most 4")
    start = cursor.need(8 * dims + 12)
    shape = struct.unpack_from(f"<{dims}Q", cursor.data, start)
    kind, offset = struct.unpack_from("<IQ", cursor.data, start + 8 * dims)
    return name, shape, kind, offset


def _placed(cursor: _Cursor, rows: list[tuple[str, tuple[int, ...], int, int]], start: int) -> Iterator[StoredTensor]:
    """Yield the tensors with their bytes, each checked to lie inside the file."""
    for name, shape, kind, offset in rows:
        if kind not in NAMES:
            raise cursor.fail(f"tensor {name[:60]!r} has type {kind}, which this version does not know")
        _, block, size = TYPES[NAMES[kind]]
        elements = prod(shape)
        columns = shape[0] if shape else 1
        if columns % block:
            raise cursor.fail(f"tensor {name[:60]!r} has rows of {columns}, not a multiple of {block}")
        total = elements // block * size
        if total > cursor.end or start + offset + total > cursor.end:
            raise cursor.fail(f"tensor {name[:60]!r} ends at byte {start + offset + total}; the download is incomplete")
        yield StoredTensor(name=name, shape=shape, type_name=NAMES[kind], bytes=total, elements=elements)
