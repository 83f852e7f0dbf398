"""Records to JSON and back, driven by the records' own annotations.

Covers the record types that the store keeps: dataclasses of scalars, enums, tuples, mappings and optional values.
Unknown keys in stored documents are ignored, so that an older sizewise's rows stay readable.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def dump(record: Any) -> str:
    """Return a record as compact JSON with sorted keys; equal records give equal text.

    >>> from sizewise.records import Budget
    >>> dump(Budget(calls=3))
    '{"calls":3,"seconds":null,"tokens":null,"usd":null}'
    """
    return json.dumps(plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True)


def plain(value: Any) -> Any:
    """Return a record as dicts, lists and scalars."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def load(kind: type[T], text: str) -> T:
    """Return the record of type `kind` that `dump` wrote."""
    result: T = build(kind, json.loads(text))
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def build(kind: Any, value: Any) -> Any:
    """Return `value` (dicts, lists, scalars) as an instance of the annotated type `kind`."""
    if value is None:
        return None
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return build(next(option for option in get_args(kind) if option is not type(None)), value)
    if origin is tuple:
        return tuple(build(get_args(kind)[0], item) for item in value)
    if origin is not None and isinstance(value, dict):
        return {key: build(get_args(kind)[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: build(hints[name], item) for name, item in value.items() if name in hints})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    return value
