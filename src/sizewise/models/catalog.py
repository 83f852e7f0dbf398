"""The offline catalog: facts of some hundred open-weight models, each with where it comes from.

One JSON file of distinct shapes and rows; it loads in milliseconds and is rebuilt by `catalog_build.py`. Not covered:
files of single uploaders, prices, anything after the catalog's date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sizewise.errors import ModelError
from sizewise.models.architecture import count_parameters
from sizewise.models.configuration import read_architecture
from sizewise.models.extras import extras
from sizewise.records import Estimate, Model, Source

CATALOG_PATH = Path(__file__).parent.parent / "data" / "catalog.json"
_TUNED = ("instruct", "chat", "it", "hf")
"""Endings that people leave out when they name a model."""


@lru_cache(maxsize=1)
def _load() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(CATALOG_PATH.read_text(encoding="utf-8"))
    return loaded


def rows() -> list[dict[str, Any]]:
    """Return the raw rows, sorted by name; fields are those of `catalog_build.Builder.add`."""
    found: list[dict[str, Any]] = _load()["rows"]
    return found


def _unpacked(config: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(config)
    for key in ("layer_types", "layers_block_type", "indexer_types"):
        if isinstance(found.get(key), str):
            words, digits = found[key].rsplit("|", 1)
            names = words.split(",")
            found[key] = [names[int(digit)] for digit in digits]
    return found


def configuration(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration behind a row, in Hugging Face's names."""
    return _unpacked(_load()["shapes"][row["shape"]])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _short_forms(identifier: str) -> tuple[str, ...]:
    """Return what people call a model: without its publisher and separators, then without its tuning or "meta"."""
    name = _plain(identifier.rsplit("/", 1)[-1])
    bare = next((name[: -len(ending)] for ending in _TUNED if name.endswith(ending)), name)
    return (name, bare, name.removeprefix("meta"), bare.removeprefix("meta"))


def find(name: str) -> dict[str, Any] | None:
    """Return the row of a model by its hub id, its bare name or a tag like "qwen3:8b"; None where there is none.

    A bare name that several rows share is resolved to the one it fits exactly, else to the shortest id.

    >>> find("qwen3:8b")["id"]
    'Qwen/Qwen3-8B'
    """
    lowered = name.lower()
    exact = next((row for row in rows() if row["id"].lower() == lowered), None)
    if exact:
        return exact
    wanted = _plain(name)
    if not wanted or "/" in name:
        return None
    named = [(row, _short_forms(row["id"])) for row in rows()]
    for hits in (
        [row for row, forms in named if forms[0] == wanted],
        [row for row, forms in named if wanted in forms],
    ):
        if hits:
            return min(hits, key=lambda row: len(row["id"]))
    return None


def suggestions(name: str, number: int = 3) -> list[str]:
    """Return the nearest ids to a name that was not found."""
    from difflib import get_close_matches

    by_form = {_plain(row["id"].rsplit("/", 1)[-1]): row["id"] for row in rows()}
    near = get_close_matches(_plain(name.rsplit("/", 1)[-1]), by_form, n=number, cutoff=0.5)
    return [by_form[form] for form in near]


def model(row: Mapping[str, Any]) -> Model:
    """Return the record of a catalog row, with counts computed from its shape."""
    config = configuration(row)
    arch = read_architecture(config)
    stored = extras(arch, config) if row.get("explained") else {}
    counts = count_parameters(arch, {name: stored[name] for name in row.get("explained") or ()})
    if counts.total != row["total"]:
        raise ModelError(
            f"catalog row {row['id']!r} says {row['total']} parameters, its shape {counts.total}; rebuild the catalog "
            f"with `python -m sizewise.models.catalog_build`"
        )
    tokens = row.get("tokens")
    return Model(
        name=row["id"],
        architecture=arch,
        counts=counts,
        published_parameters=row.get("published"),
        format="catalog",
        context_tokens=row.get("context"),
        training_tokens=tokens * 1e12 if tokens else None,
        licence=row.get("licence"),
        release_date=row.get("date"),
        scores={name: _score(value) for name, value in row.get("scores", {}).items()},
        sources=_sources(row),
        unknown=tuple(row.get("unknown", ())),
    )


def _score(value: float) -> Estimate:
    detail = "ObsScaling harness, 0 to 1 (ryoungj/ObsScaling, Apache-2.0)"
    return Estimate(value=value, low=value, high=value, source=Source.PUBLISHED, detail=detail)


def _sources(row: Mapping[str, Any]) -> dict[str, str]:
    names = _load()["sources"]
    where = "; ".join(dict.fromkeys(names[index] for index in row.get("sources", ())))
    kind = row.get("quality", "")
    found = {"architecture": f"{where} ({kind})" if where else str(kind)}
    explained = row.get("explained")
    if row.get("published"):
        how = "not explained by the shape" if explained is None else "exactly the shape"
        how += f" plus {', '.join(explained)}" if explained else ""
        fitted = "" if row.get("independent") else "; some flags were fitted to it"
        found["published_parameters"] = f"Hugging Face safetensors total: {how}{fitted}"
    for field, key in (("context_tokens", "context_source"), ("training_tokens", "tokens_source")):
        if row.get(key):
            found[field] = str(row[key])
    if row.get("date"):
        found["release_date"] = "creation of the Hugging Face repository"
    for number, note in enumerate(row.get("notes", ())):
        found[f"note {number + 1}"] = note
    return found
