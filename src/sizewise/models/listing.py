"""Filter and sort the catalog's rows; nothing is computed that the rows do not already hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sizewise.models import catalog

_KEYS = {"name": "id", "total": "total", "active": "active", "tokens": "tokens", "context": "context", "date": "date"}


def listed(
    words: Sequence[str] = (),
    *,
    least: float | None = None,
    most: float | None = None,
    family: str | None = None,
    licence: str | None = None,
    context: int | None = None,
    experts: bool | None = None,
    sort: str = "name",
    reverse: bool = False,
) -> list[dict[str, Any]]:
    """Return matching rows; an unknown context or licence does not match a filter on it, and sorts last.

    >>> [row["id"] for row in listed(["qwen/qwen3-8b"])]
    ['Qwen/Qwen3-8B', 'Qwen/Qwen3-8B-Base']
    """
    found = [
        row
        for row in catalog.rows()
        if all(word.lower() in row["id"].lower() for word in words)
        and (least is None or row["total"] >= least)
        and (most is None or row["total"] <= most)
        and (family is None or catalog.configuration(row)["model_type"] == family)
        and (licence is None or licence.lower() in row.get("licence", "").lower())
        and (context is None or row.get("context", 0) >= context)
        and (experts is None or (row["active"] < row["total"]) == experts)
    ]
    key = _KEYS[sort]
    known = [row for row in found if row.get(key) is not None]
    unknown = [row for row in found if row.get(key) is None]
    return sorted(known, key=lambda row: str(row[key]).lower() if key == "id" else row[key], reverse=reverse) + unknown
