"""What a published total contains besides the language model: named, computed from the shape, never a remainder.

A hub's "safetensors total" counts whatever the file stores: vision towers, multi-token prediction blocks, FP8 scales,
mask buffers, a tied head stored twice. Each candidate here has its own formula; `explain` says which set of them, if
any, closes the gap exactly. Not covered: audio towers, adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from typing import Any

from sizewise.errors import UnknownFact
from sizewise.models.architecture import count_parameters
from sizewise.models.tensors import Tensor, layer_tensors
from sizewise.models.vision import tower_parameters
from sizewise.records import Architecture, Layer

VISION = "vision tower"
MTP = "multi-token prediction block"
MTP_COPIES = "embedding and head copies of that block"
HEAD_TWICE = "tied head stored twice"
MASKS = "causal-mask buffers"
FREQUENCIES = "rotary-frequency buffers"
SCALES = "FP8 block scales"
TOWER_BUFFERS = "layer and vision scale buffers"
NORMS_LEFT_OUT = "norms left out of the published count (stored in another type)"
CORRECTIONS_LEFT_OUT = "router corrections left out of the published count (buffers)"

_MTP_BLOCKS: Mapping[str, int] = {
    "deepseek_v3": 1, "deepseek_v32": 1, "glm4_moe": 1, "glm_moe_dsa": 1, "qwen3_next": 1, "qwen3_5_text": 1,
    "qwen3_5_moe_text": 1,
}  # fmt: skip
"""Families whose checkpoints carry prediction blocks that configurations often do not mention."""
_SCALE_BLOCK = 128
_NOT_SCALED = ("ffn_gate_inp", "indexer", "norm", "_k_b", "_v_b")


def extras(arch: Architecture, config: Mapping[str, Any]) -> dict[str, int]:
    """Return every named extra that a checkpoint of this architecture may store, with its number of elements.

    Negative entries are parts that some published counts leave out.
    """
    found: dict[str, int] = {}
    with suppress(UnknownFact):
        found[VISION] = tower_parameters(arch.family, arch.hidden, config)
    blocks = _mtp_blocks(arch, config)
    if blocks:
        found[MTP] = blocks * _mtp_block(arch)
        found[MTP_COPIES] = blocks * 2 * arch.hidden * arch.vocabulary
    if arch.tied:
        found[HEAD_TWICE] = arch.hidden * arch.vocabulary
    found |= _buffers(arch, config)
    if arch.family in ("deepseek_v3", "kimi_k2", "minimax_m2", "deepseek_v32"):
        found[SCALES] = block_scales(arch, prediction_blocks=blocks)
    if arch.family in ("qwen3", "llama"):
        found[NORMS_LEFT_OUT] = -_vectors(arch)
    corrections = sum(layer.experts.count for layer in arch.layers if layer.experts and layer.experts.router_bias)
    if corrections and arch.family == "nemotron_h":
        found[CORRECTIONS_LEFT_OUT] = -corrections
    return found


def _mtp_blocks(arch: Architecture, config: Mapping[str, Any]) -> int:
    for key in ("num_nextn_predict_layers", "mtp_num_hidden_layers"):
        if isinstance(config.get(key), int):
            return int(config[key])
    return _MTP_BLOCKS.get(arch.family, 0)


def _last_block(arch: Architecture) -> Layer:
    """Return the kind of block that predicts ahead: the last one that attends."""
    return next(layer for layer in reversed(arch.layers) if layer.attention)


def _mtp_block(arch: Architecture) -> int:
    """One more decoder block, a 2d x d projection and three norms (DeepSeek-V3 report, section 2.2)."""
    block = sum(tensor.elements for tensor in layer_tensors(arch, _last_block(arch)))
    if arch.layers[-1].attention and arch.layers[-1].attention.indexer is None:
        block = _with_indexer(arch)
    return block + 2 * arch.hidden * arch.hidden + 3 * arch.hidden


def _with_indexer(arch: Architecture) -> int:
    """Size of the block with a scorer of its own, where layers share scorers (GLM-5.2)."""
    own = next((layer for layer in reversed(arch.layers) if layer.attention and layer.attention.indexer), None)
    chosen = own if own and own.experts else _last_block(arch)
    return sum(tensor.elements for tensor in layer_tensors(arch, chosen))


def _vectors(arch: Architecture) -> int:
    """Elements of all norms, those of queries and keys included."""
    counted = count_parameters(arch).norms
    inner = sum(layer.attention.q_norm + layer.attention.k_norm for layer in arch.layers if layer.attention)
    return counted + inner


def _buffers(arch: Architecture, config: Mapping[str, Any]) -> dict[str, int]:
    attends = [layer.attention for layer in arch.layers if layer.attention]
    if not attends:
        return {}
    layers, head = len(attends), attends[0].head_dim
    context = int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)
    masks = {"gpt2": layers, "gpt_neox": layers, "gpt_neo": layers // 2}.get(arch.family, 0)
    found = {MASKS: masks * context**2} if masks else {}
    rotary = {
        "llama": layers * (head // 2),
        "gpt_neox": layers * int(head * config.get("rotary_pct", 0.25)) // 2,
        "chatglm": head // 4,
        "kimi_k2": layers * (arch.hidden // attends[0].heads // 2),
    }.get(arch.family, 0)
    if rotary:
        found[FREQUENCIES] = rotary
    if arch.family == "gemma4_text":
        found[TOWER_BUFFERS] = layers + 2 * 1152
    return found


def block_scales(arch: Architecture, *, prediction_blocks: int = 0) -> int:
    """Return the FP8 scales of all matrices in the blocks, one per 128 x 128 tile (DeepSeek-V3 report, section 3.3)."""
    blocks = list(arch.layers) + [_last_block(arch)] * prediction_blocks
    total = 0
    for layer in blocks:
        total += sum(_tiles(tensor) for tensor in layer_tensors(arch, layer))
        if layer.attention and layer.attention.latent:
            latent = layer.attention.latent
            rows = layer.attention.heads * (latent.nope_dim + layer.attention.value_dim)
            total += -(-latent.kv_rank // _SCALE_BLOCK) * -(-rows // _SCALE_BLOCK)
    return total


def _tiles(tensor: Tensor) -> int:
    if len(tensor.shape) < 2 or any(part in tensor.name for part in _NOT_SCALED):
        return 0
    columns, rows, *rest = tensor.shape
    number = -(-columns // _SCALE_BLOCK) * -(-rows // _SCALE_BLOCK)
    return number * (rest[0] if rest else 1)


def explain(published: int, computed: int, candidates: Mapping[str, int]) -> tuple[str, ...] | None:
    """Return the smallest set of named extras whose sum is exactly published - computed; None where there is none.

    >>> explain(130, 100, {"vision tower": 25, "tied head stored twice": 5, "other": 7})
    ('vision tower', 'tied head stored twice')
    """
    gap = published - computed
    for size in range(len(candidates) + 1):
        for names in combinations(candidates, size):
            if MTP_COPIES in names and MTP not in names:
                continue
            if sum(candidates[name] for name in names) == gap:
                return names
    return None
