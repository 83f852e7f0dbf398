"""Find model files that other tools stored on this machine: the Hugging Face hub cache and Ollama's store.

Only looks, never downloads. Not covered: LM Studio and other launchers (give the file's path).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from sizewise.models.safetensors_reading import parse_json

_SAFE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MANIFEST_BYTES = 2**20


def hub_folder(reference: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the newest cached snapshot folder of a hub id "publisher/name"; None where it is not cached."""
    parts = reference.split("/")
    if len(parts) != 2 or not all(_SAFE.fullmatch(part) and set(part) != {"."} for part in parts):
        return None
    home = environment.get("HF_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache" / "huggingface")
    root = Path(environment.get("HF_HUB_CACHE") or Path(home) / "hub")
    snapshots = root / f"models--{parts[0]}--{parts[1]}" / "snapshots"
    if not snapshots.is_dir():
        return None
    folders = sorted((path for path in snapshots.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    return folders[-1] if folders else None


def ollama_file(tag: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the GGUF blob behind an Ollama tag such as "qwen3:8b"; None where it is not stored."""
    name, _, version = tag.partition(":")
    parts = name.split("/")
    if len(parts) > 2 or not all(_SAFE.fullmatch(part) for part in (*parts, version or "latest")):
        return None
    if any(set(part) == {"."} for part in (*parts, version or "latest")):
        return None
    root = Path(
        environment.get("OLLAMA_MODELS") or Path(environment.get("HOME", "~")).expanduser() / ".ollama" / "models"
    )
    folder = root / "manifests" / "registry.ollama.ai" / (parts[0] if len(parts) == 2 else "library") / parts[-1]
    manifest = folder / (version or "latest")
    if not manifest.is_file() or manifest.stat().st_size > _MANIFEST_BYTES:
        return None
    layers = parse_json(manifest.read_bytes(), f"the Ollama manifest of {tag}").get("layers")
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and str(layer.get("mediaType", "")).endswith("image.model"):
            blob = root / "blobs" / str(layer.get("digest", "")).replace(":", "-")
            if _SAFE.fullmatch(blob.name) and blob.is_file():
                return blob
    return None
