"""A member's GGUF file: its keys, writing named matrices in one quantization, reading them back. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.errors import ModelError
from sizewise.ladder import engine_quantize
from sizewise.ladder.quantize import FORMATS, Rows
from sizewise.ladder.recipe import NEWLINE, NORM_EPSILON, VERSION, VOCABULARY, Recipe
from sizewise.models.gguf_reading import GgufFile, read_gguf
from sizewise.models.gguf_writing import write_gguf

ALIGNMENT = 32
"""Tensors start at multiples of this many bytes of the data part, which itself starts at one."""
NORMAL_TOKEN = 1
NEVER = "À Á"
"""The one merge, of two bytes that UTF-8 never has: llama.cpp wants a list of merges, bytes need none."""
KINDS = {"F32": "<f4", "F16": "<f2"}


def byte_names() -> list[str]:
    """Return the 256 printable names that byte-level BPE gives to bytes, in byte order.

    >>> byte_names()[65], byte_names()[32], len(set(byte_names()))
    ('A', 'Ġ', 256)
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    names, spare = [], 256
    for byte in range(VOCABULARY):
        names.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return names


def file_type(quantization: str) -> int:
    """Return llama.cpp's number of a file in this quantization; ModelError for an unknown one.

    >>> file_type("Q8_0"), file_type("Q2_K")
    (7, 10)
    """
    if quantization in FORMATS:
        return FORMATS[quantization][0]
    if quantization in engine_quantize.WIDE:
        return engine_quantize.WIDE[quantization]
    known = ", ".join((*FORMATS, *engine_quantize.WIDE))
    raise ModelError(f"no quantization {quantization!r} for the ladder; expected one of {known}")


def pack(quantization: str, rows: Rows) -> bytes:
    """Return rows (n, width) as the bytes of a file; ModelError for an unknown quantization or a width it cannot cut.

    >>> len(pack("Q4_0", np.ones((1, 32), np.float32)))
    18
    """
    file_type(quantization)
    return FORMATS[quantization][1](rows) if quantization in FORMATS else engine_quantize.pack(quantization, rows)


def metadata(recipe: Recipe, quantization: str, cpu_s: float, version: str = VERSION) -> dict[str, Any]:
    """Return the key-value part of the file; `version` is that of the recipes the weights were trained by."""
    shape = recipe.shape
    found: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": recipe.name,
        "general.license": "mit",
        "general.quantization_version": 2,
        "general.file_type": file_type(quantization),
        "general.parameter_count": shape.parameters(),
        "llama.block_count": shape.layers,
        "llama.context_length": recipe.context,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.attention.key_length": shape.head_dim,
        "llama.attention.value_length": shape.head_dim,
        "llama.attention.layer_norm_rms_epsilon": NORM_EPSILON,
        "llama.rope.dimension_count": shape.head_dim,
        "llama.rope.freq_base": shape.rope_base,
        "llama.vocab_size": VOCABULARY,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": byte_names(),
        "tokenizer.ggml.token_type": [NORMAL_TOKEN] * VOCABULARY,
        "tokenizer.ggml.merges": [NEVER],
        "tokenizer.ggml.bos_token_id": NEWLINE,
        "tokenizer.ggml.eos_token_id": NEWLINE,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "sizewise.recipe_version": version,
        "sizewise.kind": recipe.kind,
        "sizewise.training_tokens": recipe.tokens,
        "sizewise.training_cpu_s": float(cpu_s),
        "sizewise.seed": recipe.seed,
    }
    if shape.experts:
        found["llama.expert_count"] = shape.experts
        found["llama.expert_used_count"] = shape.experts_used
    return found


def write_member(
    tensors: Iterable[tuple[str, Rows]], recipe: Recipe, path: Path, quantization: str = "F16", cpu_s: float = 0.0,
    version: str = VERSION,
) -> None:  # fmt: skip
    """Write named tensors as GGUF; vectors and routers stay F32, all other matrices get the quantization."""
    table, data = [], []
    for name, values in tensors:
        kind = "F32" if values.ndim == 1 or "gate_inp" in name else quantization
        table.append((name, values.shape[::-1], kind))
        data.append(pack(kind, values.reshape(-1, values.shape[-1])))
    partial = path.with_suffix(".partial")
    write_gguf(partial, metadata(recipe, quantization, cpu_s, version), table)
    with partial.open("r+b") as file:
        file.seek(read_gguf(partial).data_start)
        for part in data:
            file.write(part)
            file.seek(-file.tell() % ALIGNMENT, 1)
    partial.replace(path)


def read_tensors(file: GgufFile) -> dict[str, Rows]:
    """Return the tensors of a file as float32, rows first; ModelError where one is quantized."""
    raw, at, found = Path(file.path).read_bytes(), file.data_start, {}
    for row in file.tensors:
        if row.type_name not in KINDS:
            raise ModelError(f"{file.path}: {row.name} is {row.type_name}; expected F16 or F32: take the F16 file")
        values = np.frombuffer(raw, KINDS[row.type_name], count=row.elements, offset=at)
        found[row.name] = values.astype(np.float32).reshape(row.shape[::-1])
        at += -(-row.bytes // ALIGNMENT) * ALIGNMENT
    return found
