"""Read the shipped tables of public scores, training tokens, quantization harm and published cases.

`benchmarks/scaling_data.py` rebuilds them from their raw rows; SOURCES.md says whose they are.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sizewise.errors import UnknownFact
from sizewise.scaling.compression import Evidence, QuantPoint
from sizewise.scaling.public import FamilyScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a public model was trained on."""

    family: str
    model: str
    total: float
    active: float
    tokens: float | None
    """None where the maker does not say."""
    source: str


def _rows(name: str) -> list[dict[str, str]]:
    text = files("sizewise.data").joinpath(f"scaling_{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def family_scores() -> tuple[FamilyScore, ...]:
    """Return scores of public base models, one row a model and task.

    >>> len({row.task for row in family_scores()})
    8
    """
    fixed = ("model", "family", "size_b")
    return tuple(
        FamilyScore(
            model=row["model"], family=row["family"], size=1e9 * float(row["size_b"]), task=task, score=float(text)
        )
        for row in _rows("scores")
        for task, text in row.items()
        if task not in fixed and text and row["size_b"]
    )


@cache
def trainings() -> tuple[Training, ...]:
    """Return parameters and training tokens of public models."""
    return tuple(
        Training(
            family=row["family"],
            model=row["model"],
            total=1e9 * float(row["total_b"]),
            active=1e9 * float(row["active_b"] or row["total_b"]),
            tokens=1e12 * float(row["tokens_t"]) if row["tokens_t"] else None,
            source=row["source"],
        )
        for row in _rows("training")
    )


def find_training(name: str) -> Training:
    """Return one model's training by name, whole or after the last slash, without case.

    Raises UnknownFact when there is none, with near names, or when its tokens are not published.

    >>> find_training("Llama-2-7b-hf").tokens
    2000000000000.0
    """
    wanted = name.lower()
    found = [row for row in trainings() if wanted in (row.model.lower(), row.model.lower().rsplit("/", 1)[-1])]
    if not found:
        from difflib import get_close_matches

        near = get_close_matches(wanted, [row.model.lower().rsplit("/", 1)[-1] for row in trainings()], n=3, cutoff=0.5)
        hint = f" Near names: {', '.join(near)}." if near else ""
        raise UnknownFact(f"no training facts for {name!r}.{hint} Give --params and --tokens instead.")
    if found[0].tokens is None:
        raise UnknownFact(
            f"{found[0].model}: its maker does not publish the training tokens. Give --tokens if you know."
        )
    return found[0]


@cache
def quant_points() -> tuple[QuantPoint, ...]:
    """Return measured harm of quantizations.

    >>> {row.model for row in quant_points()} >= {"Llama-3-8B", "Llama-3-70B"}
    True
    """
    return tuple(
        QuantPoint(
            model=row["model"],
            quantization=row["quantization"],
            bits=float(row["bits"]),
            harm=float(row["harm"]),
            tokens_per_parameter=float(row["tokens_per_parameter"]),
            imatrix=row["imatrix"] == "1",
            source=row["source"],
        )
        for row in _rows("quantization")
    )


@cache
def published_cases() -> tuple[Evidence, ...]:
    """Return published cases where size did or did not win."""
    return tuple(Evidence(**row) for row in _rows("cases"))
