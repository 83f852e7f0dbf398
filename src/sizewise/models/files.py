"""GGUF and safetensors files, configurations -> `Model` records.

What a file holds is exact; what it does not say is listed in `unknown`. Not covered: running a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sizewise.errors import ModelError, UnknownFact
from sizewise.models import gguf_architecture
from sizewise.models.architecture import count_parameters
from sizewise.models.configuration import read_architecture
from sizewise.models.ggml import FILE_TYPES
from sizewise.models.gguf_reading import GgufFile, StoredTensor, read_gguf
from sizewise.models.safetensors_reading import parse_json, read_safetensors, shards
from sizewise.records import Architecture, Model, ParameterCounts

_SPLIT = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$")
_LARGEST_CONFIG = 4 * 2**20
_MOST_PARTS = 1000
_FILE_TYPE_NAMES = {number: name for name, number in FILE_TYPES.items()}
_OUTSIDE = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


def split_parts(path: Path) -> list[Path]:
    """Return all files of a split GGUF ("name-00001-of-00003.gguf"); the file alone when it is not split."""
    match = _SPLIT.match(path.name)
    if match is None:
        return [path]
    stem, count = match.group(1), int(match.group(3))
    if count > _MOST_PARTS:
        raise ModelError(f"{path.name} claims {count} parts; expected at most {_MOST_PARTS}")
    parts = [path.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing or not parts:
        raise ModelError(f"{len(missing)} of {count} parts of {path.name} are missing, first {missing[:1]}")
    return parts


def read_gguf_model(path: Path, name: str | None = None) -> Model:
    """Return the record of a GGUF file or of all parts of a split one."""
    files = [read_gguf(part) for part in split_parts(path)]
    keys = files[0].keys
    table = tuple(tensor for file in files for tensor in file.tensors)
    announced = keys.get("split.tensors.count")
    if isinstance(announced, int) and announced != len(table):
        raise ModelError(f"{path.name} announces {announced} tensors in its parts, they hold {len(table)}")
    unknown: list[str] = []
    arch = _architecture(keys, table, unknown)
    counts = _stored_counts(arch, table, unknown)
    size = sum(file.file_bytes for file in files)
    context = arch.context_tokens if arch else None
    sources = {"tensor_bytes": "tensor table of the file"}
    sources |= {"architecture": "keys and tensor table of the file"} if arch else {}
    sources |= {"context_tokens": "key context_length of the file"} if context else {}
    return Model(
        name=name or _text(keys, "general.name") or path.stem,
        architecture=arch,
        counts=counts,
        tensor_bytes=_by_type(table),
        active_tensor_bytes=_read_per_token(arch, table),
        path=str(path),
        file_bytes=size,
        format="gguf",
        quantization=_mix(files[0], table),
        context_tokens=context,
        licence=_text(keys, "general.license"),
        tokenizer=_text(keys, "tokenizer.ggml.model"),
        chat_template="tokenizer.chat_template" in keys,
        sources=sources,
        unknown=(
            *unknown,
            *(() if _text(keys, "general.license") else ("licence",)),
            "release date",
            "training tokens",
        ),
    )


def _text(keys: dict[str, Any], key: str) -> str | None:
    value = keys.get(key)
    return value if isinstance(value, str) and value else None


def _architecture(keys: dict[str, Any], table: tuple[StoredTensor, ...], unknown: list[str]) -> Architecture | None:
    try:
        return gguf_architecture.read_architecture(keys, table)
    except UnknownFact as error:
        unknown.append(f"architecture: {error}")
        return None


def _stored_counts(
    arch: Architecture | None, table: tuple[StoredTensor, ...], unknown: list[str]
) -> ParameterCounts | None:
    """Return counts by part, with whatever the table holds beyond the blocks we know named as an extra."""
    if arch is None:
        return None
    counts = count_parameters(arch)
    outside = sum(tensor.elements for tensor in table if tensor.name in _OUTSIDE)
    rest = sum(tensor.elements for tensor in table) - counts.total - outside
    extras = {"rotary factors": outside} if outside else {}
    if rest:
        extras["stored tensors that our rules do not place"] = rest
        unknown.append(f"what {rest:+d} stored parameters are for (not in the counts by part)")
    return count_parameters(arch, extras) if extras else counts


def _by_type(table: Iterable[StoredTensor]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tensor in table:
        total[tensor.type_name] += tensor.bytes
    return dict(total)


def _read_per_token(arch: Architecture | None, table: tuple[StoredTensor, ...]) -> dict[str, int]:
    """Return bytes that one decode step reads, by type: used experts, one row of a pure input embedding."""
    if arch is None:
        return {}
    share = next(((layer.experts.used, layer.experts.count) for layer in arch.layers if layer.experts), (1, 1))
    total: Counter[str] = Counter()
    for tensor in table:
        size = tensor.bytes
        if "_exps." in tensor.name:
            size = size * share[0] // max(1, share[1])
        elif tensor.name in ("per_layer_token_embd.weight", "position_embd.weight") or (
            tensor.name == "token_embd.weight" and not arch.tied
        ):
            size //= max(1, tensor.shape[-1]) if tensor.shape else 1
        total[tensor.type_name] += size
    return dict(total)


def _mix(file: GgufFile, table: tuple[StoredTensor, ...]) -> str | None:
    number = file.keys.get("general.file_type")
    if isinstance(number, int) and number in _FILE_TYPE_NAMES:
        return _FILE_TYPE_NAMES[number]
    largest = Counter(_by_type(table)).most_common(1)
    return f"mostly {largest[0][0]}" if largest else None


def read_folder_model(folder: Path, name: str | None = None) -> Model:
    """Return the record of a model folder: configuration, and weights where they are there."""
    ggufs = sorted(folder.glob("*.gguf"))
    config_path = folder / "config.json"
    if not config_path.is_file() and ggufs:
        return read_gguf_model(ggufs[0], name)
    if not config_path.is_file() and not shards(folder):
        raise ModelError(f"{folder} holds no config.json, no *.safetensors and no *.gguf; expected a model folder")
    config = read_config(config_path) if config_path.is_file() else {}
    files = shards(folder)
    table = tuple(tensor for file in files for tensor in read_safetensors(file))
    model = config_model(config, name or folder.name) if config else Model(name=name or folder.name)
    if not files:
        return model
    stored = sum(tensor.elements for tensor in table)
    return Model(
        name=model.name,
        architecture=model.architecture,
        counts=model.counts,
        published_parameters=stored,
        tensor_bytes=_by_type(table),
        path=str(folder),
        file_bytes=sum(file.stat().st_size for file in files),
        format="safetensors",
        quantization=model.quantization,
        context_tokens=model.context_tokens,
        sources={**model.sources, "tensor_bytes": "headers of the files", "published_parameters": "stored elements"},
        unknown=model.unknown if config else ("architecture: there is no config.json beside the weights",),
    )


def read_config(path: Path) -> dict[str, Any]:
    """Return a parsed config.json; raise `ModelError` where it is no JSON object of sane size."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_CONFIG:
            raise ModelError(f"{path} has {size} bytes; a configuration has at most {_LARGEST_CONFIG}")
        return parse_json(path.read_bytes(), path.name)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error}. Check the path and its permissions.") from error


def config_model(config: dict[str, Any], name: str) -> Model:
    """Return the record that a configuration alone gives; raise `UnknownFact` for an unknown architecture."""
    arch = read_architecture(config)
    method = config.get("quantization_config")
    quantization = str(method.get("quant_method"))[:40].upper() if isinstance(method, dict) else None
    return Model(
        name=name,
        architecture=arch,
        counts=count_parameters(arch),
        format="config",
        quantization=quantization,
        context_tokens=arch.context_tokens,
        sources={"architecture": "config.json", "context_tokens": "max_position_embeddings of config.json"},
        unknown=("licence", "release date", "training tokens"),
    )


def read_safetensors_model(path: Path) -> Model:
    """Return the record of one safetensors file, with the configuration beside it where there is one."""
    if (path.parent / "config.json").is_file() and len(shards(path.parent)) == 1:
        return read_folder_model(path.parent)
    table = read_safetensors(path)
    return Model(
        name=path.stem,
        published_parameters=sum(tensor.elements for tensor in table),
        tensor_bytes=_by_type(table),
        path=str(path),
        file_bytes=path.stat().st_size,
        format="safetensors",
        sources={"tensor_bytes": "header of the file", "published_parameters": "stored elements"},
        unknown=("architecture: there is no config.json beside the weights", "context", "licence"),
    )
