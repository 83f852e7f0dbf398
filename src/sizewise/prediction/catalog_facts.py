"""Facts of every catalog model in every common file mix, precomputed, so that all of them can be predicted at once.

`python benchmarks/predict_build_shapes.py` makes the table from the catalog; a stamp ties the two together. Not
covered: models outside the catalog, which `facts_of` works out one at a time.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sizewise.prediction.facts import ModelFacts, ShapeFacts, quantized, shape_facts
from sizewise.records import Attention, Experts, FeedForward, Indexer, Latent, Layer, Recurrent

_DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One catalog model, as far as choosing among all of them needs it."""

    name: str
    shape: str
    total: int
    active: int
    context_tokens: int | None
    release_date: str | None
    licence: str | None
    scores: Mapping[str, float]
    """Published results with their test's name; empty for most."""


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    raw = (_DATA / "speed_fit_shapes.json.gz").read_bytes()
    document: dict[str, Any] = json.loads(gzip.decompress(raw))
    return document


def catalog_stamp() -> int:
    """Return the checksum of the shipped catalog, which the table carries too."""
    return zlib.crc32((_DATA / "catalog.json").read_bytes())


def table_stamp() -> int:
    """Return the checksum of the catalog that the table was made from."""
    return int(_table()["stamp"])


def entries() -> tuple[CatalogEntry, ...]:
    """Return every catalog model, sorted by name."""
    return tuple(
        CatalogEntry(
            name=name,
            shape=str(shape),
            total=total,
            active=active,
            context_tokens=context,
            release_date=date,
            licence=licence,
            scores=scores,
        )
        for name, shape, total, active, context, date, licence, scores in _table()["rows"]
    )


def mixes() -> tuple[str, ...]:
    """Return the file mixes of the table, smallest first."""
    return tuple(_table()["mixes"])


def _layer(packed: Mapping[str, Any]) -> Layer:
    attention = dict(packed["attention"]) if "attention" in packed else None
    if attention is not None:
        attention["latent"] = Latent(**attention["latent"]) if "latent" in attention else None
        attention["indexer"] = Indexer(**attention["indexer"]) if "indexer" in attention else None
    return Layer(
        attention=Attention(**attention) if attention is not None else None,
        recurrent=Recurrent(**packed["recurrent"]) if "recurrent" in packed else None,
        feed_forward=FeedForward(**packed["feed_forward"]) if "feed_forward" in packed else None,
        experts=Experts(**packed["experts"]) if "experts" in packed else None,
    )


def catalog_shapes() -> Iterator[tuple[str, ShapeFacts, Mapping[str, list[list[Any]]]]]:
    """Yield (shape key, facts of the shape, mix -> rows of tensor type, stored bytes, bytes read for a token)."""
    for key, packed in _table()["shapes"].items():
        kinds = [(_layer(block), count) for count, block in packed["kinds"]]
        shape = shape_facts(packed["family"], packed["hidden"], packed["vocabulary"], packed["tied"], kinds)
        yield key, shape, packed["mixes"]


def mix_facts(shape: ShapeFacts, rows: list[list[Any]]) -> ModelFacts:
    """Return the facts of one mix of a shape."""
    return quantized(shape, {kind: size for kind, size, _ in rows}, {kind: read for kind, _, read in rows})
