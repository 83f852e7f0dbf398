"""The shipped family: which models there are, where their files lie, how well each did. No torch needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sizewise.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderModel:
    """One shipped file: a member of the ladder in one quantization."""

    name: str
    """Unique: the member's name, with the quantization behind it unless that is F16."""
    file: str
    member: str
    """Name of the trained model; its quantizations share it."""
    size: str
    """Parameters in short: 14k, 36k, 127k, 419k, 786k, 1m3. Seeds of one size share it."""
    kind: str
    """base, seed, undertrained, overtrained, distilled, specialist, experts, dense twin, pruned, context, wide."""
    quantization: str
    parameters: int
    active_parameters: int
    training_tokens: int
    training_flops: float
    """6 x active parameters x tokens."""
    training_cpu_s: float
    seed: int
    context_tokens: int
    bytes: int
    sha256: str
    loss: float | None
    """Nats per answer byte on held-out items of its own training mix, by torch; None for quantized files."""
    scores: Mapping[str, float]
    """Skill -> share of right greedy answers on 100 held-out samples, by torch; empty for quantized files."""
    note: str = ""


def folder() -> Path:
    """Return the folder with the shipped files."""
    return Path(str(files("sizewise.data") / "ladder"))


@cache
def models(where: Path | None = None) -> tuple[LadderModel, ...]:
    """Return all models of a manifest, smallest first: the shipped one, or that of another folder.

    >>> models()[0].quantization
    'F16'
    """
    path = (where or folder()) / "manifest.json"
    if not path.exists():
        raise ModelError(f"no manifest at {path}; expected the ladder's files there: run `sizewise ladder train`")
    rows: list[dict[str, Any]] = json.loads(path.read_text())["models"]
    return tuple(LadderModel(**row) for row in rows)


def model(name: str, where: Path | None = None) -> LadderModel:
    """Return one model by name; ModelError names near ones.

    >>> model("ladder-127k").size
    '127k'
    """
    for found in models(where):
        if found.name == name:
            return found
    from difflib import get_close_matches

    near = get_close_matches(name, [found.name for found in models(where)], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "See `sizewise ladder list`."
    raise ModelError(f"the ladder has no model {name!r}; expected a name of the manifest. {hint}")


def path(name: str, where: Path | None = None) -> Path:
    """Return the path of a model's GGUF file."""
    return (where or folder()) / model(name, where).file


def base(where: Path | None = None) -> tuple[LadderModel, ...]:
    """Return the plain sizes alone (F16, one seed each), smallest first."""
    return tuple(found for found in models(where) if found.kind == "base" and found.quantization == "F16")


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def damaged(where: Path | None = None) -> list[str]:
    """Return what is wrong with the files of a manifest, a sentence each; empty when all are as they were made."""
    wrong = []
    for found in models(where):
        file = (where or folder()) / found.file
        if not file.exists():
            wrong.append(f"{found.file} is missing; install sizewise again or run `sizewise ladder train`")
        elif sha256(file) != found.sha256:
            wrong.append(f"{found.file} has changed since it was made; install sizewise again")
    return wrong
