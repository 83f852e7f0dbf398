"""From a folder of finished members to the shipped family: rows, manifest, further quantizations, merging. No torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sizewise.errors import ConfigError, ModelError
from sizewise.ladder import family, recipe
from sizewise.ladder.family import LadderModel
from sizewise.ladder.gguf_file import read_tensors, write_member
from sizewise.ladder.recipe import VERSION, Recipe
from sizewise.models.gguf_reading import read_gguf

MOST_BYTES = 40_000_000
"""All shipped files together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge did."""

    taken: tuple[str, ...]
    """Members that were copied, new or replacing an older one."""
    same: tuple[str, ...]
    """Members that were there already, byte for byte."""
    refused: tuple[str, ...]
    """A sentence for each member that was not taken."""
    total_bytes: int
    """All files of the family afterwards."""


def file_name(member: str, quantization: str) -> str:
    """Return the name of a member's model in a quantization; its file adds ".gguf".

    >>> file_name("ladder-36k", "F16"), file_name("ladder-36k", "Q8_0")
    ('ladder-36k', 'ladder-36k-q8_0')
    """
    return member if quantization == "F16" else f"{member}-{quantization.lower()}"


def manifest_row(
    made: Recipe, file: Path, quantization: str, cpu_s: float, loss: float | None = None,
    scores: Mapping[str, float] | None = None,
) -> LadderModel:  # fmt: skip
    """Return the manifest's row of a written file; loss and scores are those of the F16 file alone."""
    shape = made.shape
    return LadderModel(
        name=file.stem,
        file=file.name,
        member=made.name,
        size=made.size,
        kind=made.kind,
        quantization=quantization,
        parameters=shape.parameters(),
        active_parameters=shape.parameters(active=True),
        training_tokens=made.tokens,
        training_flops=6.0 * shape.parameters(active=True) * made.tokens,
        training_cpu_s=round(cpu_s, 1),
        seed=made.seed,
        context_tokens=made.context,
        bytes=file.stat().st_size,
        sha256=family.sha256(file),
        loss=loss,
        scores=scores or {},
        note=made.note,
    )


def write_manifest(out: Path, rows: Sequence[LadderModel]) -> None:
    """Write the manifest: the given rows replace those of the same member, the others stay."""
    path = out / "manifest.json"
    members = {row.member for row in rows}
    kept = [row for row in _rows(out) if row.member not in members]
    ordered = sorted([*kept, *rows], key=lambda row: (row.kind != "base", row.parameters, row.name))
    lines = ",\n".join(json.dumps(asdict(row)) for row in ordered)
    partial = path.with_suffix(".partial")
    partial.write_text(f'{{"recipe_version": "{VERSION}", "models": [\n{lines}\n]}}\n')
    partial.replace(path)
    family.models.cache_clear()


def add_quantizations(name: str, formats: Sequence[str], where: Path) -> list[LadderModel]:
    """Write further files of a finished member from its F16 file, and their rows; return the new rows.

    Formats that are there already are left as they are. Raises ModelError for an unknown member or format, or a
    format whose blocks do not fit the member's width.
    """
    made = recipe.find(name)
    family.models.cache_clear()
    own = [row for row in family.models(where) if row.member == name]
    full = next((row for row in own if row.quantization == "F16"), None)
    if full is None:
        raise ModelError(f"{where} has no F16 file of {name}; expected one: train it with `sizewise ladder train`")
    file = read_gguf(where / full.file)
    tensors = read_tensors(file)
    cpu_s, version = float(file.keys["sizewise.training_cpu_s"]), str(file.keys["sizewise.recipe_version"])
    new = []
    for quantization in formats:
        if quantization in {row.quantization for row in own}:
            continue
        path = where / f"{file_name(name, quantization)}.gguf"
        write_member(tensors.items(), made, path, quantization, cpu_s, version)
        new.append(manifest_row(made, path, quantization, cpu_s))
    if new:
        write_manifest(where, [*own, *new])
    return new


def merge(source: Path, into: Path, only: Sequence[str] = ()) -> Merged:
    """Copy the finished members of `source` that are what their recipes say into `into`, and update its manifest.

    A member comes whole: its F16 file and all its quantizations replace what `into` had of it. Refused are members
    without a recipe or of another one, damaged files, and what would bring the family over 40 MB. `only` names the
    members to look at; empty means all.
    """
    family.models.cache_clear()
    taken, same, refused = [], [], []
    for name in dict.fromkeys(row.member for row in _rows(source)):
        if only and name not in only:
            continue
        rows = [row for row in _rows(source) if row.member == name]
        have = {(row.name, row.sha256) for row in _rows(into) if row.member == name and not damage(row, into)}
        if have >= {(row.name, row.sha256) for row in rows}:
            same.append(name)
            continue
        why = _wrong(name, rows, source) or _too_large(rows, into)
        if why:
            refused.append(f"{name}: {why}")
            continue
        into.mkdir(parents=True, exist_ok=True)
        for old in _rows(into):
            if old.member == name:
                (into / old.file).unlink(missing_ok=True)
        for row in rows:
            shutil.copyfile(source / row.file, into / row.file)
        write_manifest(into, rows)
        taken.append(name)
    total = sum(row.bytes for row in _rows(into))
    return Merged(taken=tuple(taken), same=tuple(same), refused=tuple(refused), total_bytes=total)


def damage(row: LadderModel, where: Path) -> str:
    """Return what is wrong with a row's file, empty when nothing is."""
    file = where / row.file
    if not file.exists():
        return f"{row.file} is missing"
    return "" if family.sha256(file) == row.sha256 else f"{row.file} is not the file of its manifest"


def _rows(where: Path) -> tuple[LadderModel, ...]:
    return family.models(where) if (where / "manifest.json").exists() else ()


def _wrong(name: str, rows: Sequence[LadderModel], source: Path) -> str:
    """Return why the rows are not the member that the recipe makes now, empty when they are."""
    try:
        made = recipe.find(name)
    except ConfigError:
        return "there is no recipe of this name"
    expected = (made.tokens, made.seed, made.kind, made.context, made.shape.parameters())
    for row in rows:
        found = (row.training_tokens, row.seed, row.kind, row.context_tokens, row.parameters)
        if found != expected:
            return f"tokens, seed, kind, context and parameters are {found}; its recipe says {expected}"
        if row.name != file_name(name, row.quantization):
            return f"a model is called {row.name}; expected {file_name(name, row.quantization)}"
        if wrong := damage(row, source):
            return wrong
    if not any(row.quantization == "F16" and row.scores for row in rows):
        return "its F16 file with scores is not there"
    return ""


def _too_large(rows: Sequence[LadderModel], into: Path) -> str:
    names = {row.member for row in rows}
    total = sum(row.bytes for row in _rows(into) if row.member not in names) + sum(row.bytes for row in rows)
    return f"the family would have {total} bytes; at most {MOST_BYTES} ship" if total > MOST_BYTES else ""
