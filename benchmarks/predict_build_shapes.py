"""Precompute, for every shape of the shipped catalog, what `sizewise fit` needs: its blocks, and bytes of every mix.

    python benchmarks/predict_build_shapes.py

Writes src/sizewise/data/speed_fit_shapes.json.gz. Run it again after the catalog was rebuilt; a test compares both. The
last line says how many shapes were written and how many had no file mix (bar: none lost without a reason).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sizewise.errors import SizewiseError
from sizewise.models import catalog
from sizewise.models.configuration import read_architecture
from sizewise.models.quantization import COMMON_MIXES, bytes_by_type
from sizewise.prediction.catalog_facts import catalog_stamp

PATH = Path(__file__).resolve().parents[1] / "src/sizewise/data/speed_fit_shapes.json.gz"


def _slim(record: dict[str, Any]) -> dict[str, Any]:
    """Drop what is at its default (None, False, 0): the reader's dataclasses have the same defaults."""
    return {key: _slim(value) if isinstance(value, dict) else value for key, value in record.items() if value}


def shape_entry(row: dict[str, Any]) -> dict[str, Any]:
    """Return one shape: outer sizes, its different blocks with their counts, bytes by mix and tensor type."""
    arch = read_architecture(catalog.configuration(row))
    kinds = []
    for layer, count in Counter(arch.layers).items():
        block = _slim(asdict(layer))
        block.pop("norms", None)
        kinds.append([count, block])
    mixes = {}
    for mix in COMMON_MIXES:
        weights, read = bytes_by_type(arch, mix), bytes_by_type(arch, mix, active=True)
        mixes[mix] = [[kind, weights[kind], read.get(kind, 0)] for kind in sorted(weights)]
    return {"family": arch.family, "hidden": arch.hidden, "vocabulary": arch.vocabulary, "tied": arch.tied,
            "kinds": kinds, "mixes": mixes}  # fmt: skip


def model_row(row: dict[str, Any]) -> list[Any]:
    """Return what choosing among models needs of a catalog row."""
    licence, date = row.get("licence"), row.get("date")
    return [
        row["id"],
        row["shape"],
        row["total"],
        row["active"],
        row.get("context"),
        date,
        licence,
        row.get("scores", {}),
    ]


def main() -> int:
    """Write the table."""
    shapes: dict[str, Any] = {}
    failed = []
    for row in catalog.rows():
        key = str(row["shape"])
        if key in shapes:
            continue
        try:
            shapes[key] = shape_entry(row)
        except SizewiseError as error:
            failed.append(f"{row['id']}: {error}")
    rows = [model_row(row) for row in catalog.rows() if str(row["shape"]) in shapes]
    document = {"stamp": catalog_stamp(), "mixes": COMMON_MIXES, "rows": rows, "shapes": shapes}
    text = json.dumps(document, separators=(",", ":")).encode()
    PATH.write_bytes(gzip.compress(text, 9, mtime=0))
    print("\n".join(failed))
    size = PATH.stat().st_size / 1e3
    print(f"{len(shapes)} shapes x {len(COMMON_MIXES)} mixes, {size:.0f} kB; {len(failed)} without (bar: 0)")
    return 0 if not failed else 1


if __name__ == "__main__":
    sys.exit(main())
