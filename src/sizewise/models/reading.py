"""`read_model(reference)`: one verb for paths, catalog names, Ollama tags, ladder names and hub ids.

Order: an existing path; a shipped ladder model; the catalog; the hub cache and Ollama's store on this machine; and,
where `huggingface_hub` is installed and the network answers, the hub itself, by range requests on headers. A stored
file wins over the catalog for the facts that only a file has. Not covered: downloading weights.
"""

from __future__ import annotations

from pathlib import Path

from sizewise.errors import ModelError
from sizewise.models import catalog
from sizewise.models.files import config_model, read_config, read_folder_model, read_gguf_model, read_safetensors_model
from sizewise.models.stores import hub_folder, ollama_file
from sizewise.records import Model

LADDER_PATH = Path(__file__).parent.parent / "data" / "ladder"


def read_model(reference: str) -> Model:
    """Return what is known of a model; raise `ModelError` with the nearest names where nothing is.

    `reference` is a path (GGUF, safetensors, config.json or a folder of them), a catalog name or hub id
    ("Qwen/Qwen3-8B", "Qwen3-8B"), an Ollama tag ("qwen3:8b") or a shipped model ("ladder-127k").

    >>> read_model("Qwen/Qwen3-8B").counts.total
    8190735360
    """
    reference = reference.strip()
    if not reference:
        raise ModelError("the model's name is empty; expected a path, a catalog name or a hub id")
    path = Path(reference).expanduser()
    if _exists(path):
        return _read_path(path)
    if reference.lower().endswith((".gguf", ".safetensors", ".json")):
        raise ModelError(f"there is no file {reference}; check the path")
    shipped = LADDER_PATH / f"{reference}.gguf"
    if reference.startswith("ladder-") and "/" not in reference and _exists(shipped):
        return read_gguf_model(shipped, reference)
    stored = _stored(reference)
    if stored is not None:
        return stored
    row = catalog.find(reference)
    if row is not None:
        return catalog.model(row)
    return _from_hub(reference)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _read_path(path: Path) -> Model:
    if path.is_dir():
        return read_folder_model(path)
    if path.suffix == ".safetensors":
        return read_safetensors_model(path)
    if path.suffix == ".json":
        config = read_config(path)
        if "weight_map" in config:
            return read_folder_model(path.parent)
        return config_model(config, path.parent.name if path.name == "config.json" else path.stem)
    return read_gguf_model(path)


def _stored(reference: str) -> Model | None:
    """Return the model from what other tools keep on this machine."""
    folder = hub_folder(reference)
    if folder is not None and ((folder / "config.json").is_file() or any(folder.glob("*.gguf"))):
        return read_folder_model(folder, reference)
    blob = ollama_file(reference)
    return read_gguf_model(blob, reference) if blob is not None else None


def _from_hub(reference: str) -> Model:
    near = catalog.suggestions(reference)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    known = f"{len(catalog.rows())} models are listed by `sizewise models`"
    if reference.count("/") != 1:
        raise ModelError(f"no model {reference[:100]!r} on this machine or in the catalog.{hint} {known}.")
    try:
        from sizewise.models.hub import read_hub_model
    except ImportError:
        raise ModelError(
            f"{reference[:100]!r} is not in the catalog and not cached here.{hint} {known}; "
            f"to read headers from the hub install `sizewise[hub]`."
        ) from None
    return read_hub_model(reference)
