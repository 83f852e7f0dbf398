"""Bytes of weights by quantization: GGUF file mixes tensor by tensor, other methods by their layout; pure.

Not covered: uploaders' private recipes ("UD", "XL" files), whose tensor table a file itself tells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from math import prod

from sizewise.errors import ConfigError, UnknownFact
from sizewise.models.file_layout import file_tensors
from sizewise.models.ggml import TYPES, tensor_bytes
from sizewise.models.mixes import DEFAULT_TYPES, Recipe, category, converted_type, quantizable
from sizewise.models.tensors import Tensor, tensors
from sizewise.records import Architecture

MIXES = tuple(DEFAULT_TYPES)
"""File mixes whose size can be computed."""

COMMON_MIXES = ("Q2_K", "Q3_K_M", "IQ4_XS", "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")

_ALIGNMENT = 32
_WORD_BYTES = 39
"""Bytes of a GGUF tokenizer per vocabulary entry: 35 to 42 in most byte-pair vocabularies (Qwen2 39.0)."""
_WORD_BYTES_BY_SIZE = {128256: 61, 256000: 42, 262144: 60}
"""Vocabularies with many more merges: Llama 3 (61), Command R (42), Gemma 4 (60)."""
_PIECE_BYTES = 23
"""The same for SentencePiece vocabularies, which have no merges (Llama 2 22.6, Phi-3 22.6). All three were measured
on the vocabulary files that llama.cpp ships in `models/ggml-vocab-*.gguf`."""
_PIECES = ("gemma", "gemma2", "gemma3_text")
_PIECE_SIZES = (32000, 32016, 32064, 32128, 32768)
_SCALAR_METHODS: Mapping[str, tuple[float, int]] = {
    "BF16": (16, 0), "FP8": (8, 0), "INT8": (8, 0), "BNB-INT8": (8, 0),
    "GPTQ-INT4": (4, 128), "AWQ": (4, 128), "GPTQ-INT8": (8, 128), "BNB-NF4": (4, 64), "NVFP4": (4, 16),
    "MXFP4": (4, 32),
}  # fmt: skip
_SCALE_BITS: Mapping[str, float] = {
    "GPTQ-INT4": 16 + 4, "GPTQ-INT8": 16 + 8, "AWQ": 16 + 4, "BNB-NF4": 8, "NVFP4": 8, "MXFP4": 8,
}  # fmt: skip
METHODS = tuple(_SCALAR_METHODS)
"""Methods of safetensors checkpoints: (bits of a weight, weights that share a scale)."""


def file_mix(name: str) -> str:
    """Return the canonical name of a file mix; raise `ConfigError` with the near ones for an unknown name.

    >>> file_mix("q4_k_m"), file_mix("Q4_K")
    ('Q4_K_M', 'Q4_K_M')
    """
    upper = name.upper().replace("-", "_")
    upper = {"Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M", "FP16": "F16", "MXFP4": "MXFP4_MOE"}.get(
        upper, upper
    )
    if upper not in DEFAULT_TYPES:
        raise ConfigError(f"unknown file mix {name!r}; expected one of {', '.join(MIXES)}")
    return upper


def _order(tensor: Tensor) -> tuple[int, str]:
    match = re.match(r"blk\.(\d+)\.", tensor.name)
    return (int(match.group(1)) if match else -1, tensor.name)


def _recipe(arch: Architecture, mix: str, found: list[Tensor], imatrix: bool) -> Recipe:
    if not arch.layers:
        raise UnknownFact(
            f"a {arch.family} architecture without layers; expected at least one, since llama.cpp picks a tensor's "
            "type by its layer. Check the number of layers in the model's configuration"
        )
    first = arch.layers[0].attention
    experts = max((layer.experts.count for layer in arch.layers if layer.experts), default=0)
    attends = [layer.attention for layer in arch.layers if layer.attention]
    scalar_heads = arch.family in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")
    lead = first or (attends[0] if attends and scalar_heads else None)
    group = 0 if lead is None else lead.heads if lead.latent else lead.heads // lead.kv_heads
    several = any(attention.heads != attention.kv_heads for attention in attends)
    return Recipe(
        mix=mix,
        experts=experts,
        layers=len(arch.layers),
        group_size=group,
        tied=arch.tied,
        is_70b=len(arch.layers) == 80 and arch.family in ("llama", "qwen2", "mistral") and several,
        falcon=arch.family == "falcon",
        imatrix=imatrix,
        values=sum(category(tensor.name) in ("v", "qkv", "kv_b") for tensor in found),
    )


def tensor_types(arch: Architecture, mix: str, *, imatrix: bool = False, base: str = "F16") -> dict[str, str]:
    """Return the type of every tensor of a GGUF file: name -> type.

    `base` is the type of the file that was quantized (F16 or BF16); `imatrix` says that an importance matrix was used,
    which changes a few small mixes.
    """
    mix = file_mix(mix)
    found = file_tensors(arch)
    recipe = _recipe(arch, mix, found, imatrix)
    if mix in ("F16", "BF16"):
        base = mix
    if mix == "F32":
        base = "F32"
    types: dict[str, str] = {}
    for tensor in sorted(found, key=_order):
        if quantizable(tensor.name, tensor.shape):
            types[tensor.name] = recipe.type_of(tensor.name, tensor.shape)
        else:
            types[tensor.name] = converted_type(tensor.name, tensor.shape, base)
    return types


def bytes_by_type(arch: Architecture, mix: str, *, active: bool = False, imatrix: bool = False) -> dict[str, int]:
    """Return the weight bytes of a file mix by tensor type; `active` counts only what one decode step reads.

    A decode step reads used experts, and one row of an embedding that is not also the head.
    """
    types = tensor_types(arch, mix, imatrix=imatrix)
    total: Counter[str] = Counter()
    for tensor in file_tensors(arch):
        size = tensor_bytes(types[tensor.name], tensor.shape)
        if active:
            lookup = tensor.part == "embedding" and not (arch.tied and tensor.name == "token_embd.weight")
            size = size // tensor.shape[-1] if lookup else size * tensor.used // tensor.of
        total[types[tensor.name]] += size
    return dict(total)


def weight_bytes(arch: Architecture, mix: str, *, imatrix: bool = False) -> int:
    """Return the bytes of all tensors in a file mix, without metadata and padding."""
    return sum(bytes_by_type(arch, mix, imatrix=imatrix).values())


def file_bytes(arch: Architecture, mix: str, *, imatrix: bool = False) -> int:
    """Return the size of a GGUF file: tensors padded to 32 bytes, tensor table, keys and tokenizer.

    The tokenizer part is an estimate (the vocabulary's words are not in the architecture); all else is exact.
    """
    types = tensor_types(arch, mix, imatrix=imatrix)
    total = 2048 + tokenizer_bytes(arch)
    for tensor in file_tensors(arch):
        size = tensor_bytes(types[tensor.name], tensor.shape)
        total += -(-size // _ALIGNMENT) * _ALIGNMENT + 8 + len(tensor.name) + 4 + 8 * len(tensor.shape) + 4 + 8
    return total


def tokenizer_bytes(arch: Architecture) -> int:
    """Return about how many bytes of a GGUF file the tokenizer takes, from the vocabulary's size and family."""
    if arch.family in _PIECES or arch.vocabulary in _PIECE_SIZES:
        return _PIECE_BYTES * arch.vocabulary
    return _WORD_BYTES_BY_SIZE.get(arch.vocabulary, _WORD_BYTES) * arch.vocabulary


def method_bytes(arch: Architecture, method: str) -> int:
    """Return the weight bytes of a safetensors checkpoint quantized by `method` (see `METHODS`).

    Matrices of the blocks are quantized, embeddings, head, norms and routers stay 16-bit: the default of GPTQ, AWQ,
    bitsandbytes and llm-compressor. FP8 has one scale per tensor or 128 x 128 block, which is left out (below 0.03 %).
    """
    if method not in _SCALAR_METHODS:
        raise ConfigError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    bits, group = _SCALAR_METHODS[method]
    total = 0.0
    for tensor in tensors(arch):
        count = prod(tensor.shape)
        inner = tensor.name.startswith("blk.") and quantizable(tensor.name, tensor.shape)
        if not inner or method == "BF16":
            total += 2 * count
        else:
            total += count * bits / 8 + (count / group * _SCALE_BITS[method] / 8 if group else 0)
    return int(total)


def bits_per_weight(type_name: str) -> float:
    """Return the bits of one weight of a tensor type.

    >>> bits_per_weight("Q4_K")
    4.5
    """
    _, block, size = TYPES[type_name]
    return 8 * size / block
