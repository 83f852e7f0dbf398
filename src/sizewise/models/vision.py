"""Parameters of vision towers, from their published shapes: a published total often contains one.

Each formula is the tower's tensor list written as arithmetic, checked to the last parameter against published totals
in `benchmarks/models_counts.py`. Not covered: audio towers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sizewise.errors import UnknownFact

_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "qwen3_vl": {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "patch_size": 16,
                 "temporal_patch_size": 2, "num_position_embeddings": 2304, "spatial_merge_size": 2, "deepstack": 3},
    "qwen3_5": {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "patch_size": 16,
                "temporal_patch_size": 2, "num_position_embeddings": 2304, "spatial_merge_size": 2, "deepstack": 0},
    "gemma3": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
               "image_size": 896},
    "gemma4": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 16,
               "position_embedding_size": 10240, "num_attention_heads": 16},
    "llama4": {"hidden_size": 1408, "intermediate_size": 5632, "num_hidden_layers": 34, "patch_size": 14,
               "image_size": 336, "projector_output_dim": 4096},
    "kimi": {"vt_hidden_size": 1152, "vt_intermediate_size": 4304, "vt_num_hidden_layers": 27, "patch_size": 14,
             "init_pos_emb_height": 64, "init_pos_emb_width": 64, "merge": 2},
    "muse_glimmer": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 50, "patch_size": 14,
                     "patch_temporal": 2, "max_position_embeddings": 1024, "merge_size": 2, "adapter": 4096},
}  # fmt: skip
"""Published vision configurations, for files that leave them to the class (Gemma 3, Llama 4, Muse, Kimi K2.5, Qwen)."""

_TOWERS: Mapping[str, str] = {
    "qwen3_vl_text": "qwen3_vl", "qwen3_vl_moe_text": "qwen3_vl", "qwen3_5_text": "qwen3_5",
    "qwen3_5_moe_text": "qwen3_5", "gemma3_text": "gemma3", "gemma4_text": "gemma4", "llama4_text": "llama4",
    "kimi_k2": "kimi", "deepseek_v3": "kimi", "muse_glimmer_text": "muse_glimmer",
}  # fmt: skip
"""Text family -> tower that its multimodal checkpoints carry."""

_SMALL_QWEN3_VL = {"hidden_size": 1024, "depth": 24, "intermediate_size": 4096}
"""The tower of Qwen3-VL 2B and 4B."""


def _block(hidden: int, inner: int) -> int:
    """Pre-norm transformer block, biases everywhere: 2 layer norms, 4 projections, 2 feed-forward matrices."""
    return 4 * hidden + 4 * (hidden * hidden + hidden) + hidden * inner + inner + inner * hidden + hidden


def _dense(rows: int, columns: int) -> int:
    return rows * columns + columns


def _qwen(shape: Mapping[str, Any], text: int) -> int:
    hidden, inner, depth = shape["hidden_size"], shape["intermediate_size"], shape["depth"]
    merged = shape["spatial_merge_size"] ** 2 * hidden
    patch = 3 * shape["temporal_patch_size"] * shape["patch_size"] ** 2
    outer = _dense(patch, hidden) + shape["num_position_embeddings"] * hidden
    merger = _dense(merged, merged) + _dense(merged, text)
    return int(outer + depth * _block(hidden, inner) + 2 * hidden + merger + shape["deepstack"] * (2 * merged + merger))


def _gemma3(shape: Mapping[str, Any], text: int) -> int:
    hidden, patch = shape["hidden_size"], shape["patch_size"]
    positions = (shape["image_size"] // patch) ** 2
    blocks = shape["num_hidden_layers"] * _block(hidden, shape["intermediate_size"])
    return int(_dense(3 * patch**2, hidden) + positions * hidden + blocks + 2 * hidden + hidden * text + hidden)


def _gemma4(shape: Mapping[str, Any], text: int) -> int:
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    head = hidden // shape["num_attention_heads"]
    block = 4 * hidden * hidden + 2 * head + 3 * hidden * inner + 4 * hidden
    outer = 2 * shape["position_embedding_size"] * hidden + 3 * shape["patch_size"] ** 2 * hidden
    return int(outer + shape["num_hidden_layers"] * block + hidden * text)


def _llama4(shape: Mapping[str, Any], text: int) -> int:
    hidden, inner, patch = shape["hidden_size"], shape["intermediate_size"], shape["patch_size"]
    positions, out = (shape["image_size"] // patch) ** 2 + 1, shape["projector_output_dim"]
    outer = hidden + positions * hidden + 3 * patch**2 * hidden + 4 * hidden
    blocks = shape["num_hidden_layers"] * _block(hidden, inner)
    return int(outer + blocks + 4 * hidden * out + out * out + out * text)


def _kimi(shape: Mapping[str, Any], text: int) -> int:
    hidden = shape["vt_hidden_size"]
    merged = shape["merge"] ** 2 * hidden
    positions = shape["init_pos_emb_height"] * shape["init_pos_emb_width"]
    outer = _dense(3 * shape["patch_size"] ** 2, hidden) + positions * hidden + 2 * hidden
    blocks = shape["vt_num_hidden_layers"] * _block(hidden, shape["vt_intermediate_size"])
    return int(outer + blocks + 2 * hidden + _dense(merged, merged) + _dense(merged, text))


def _muse(shape: Mapping[str, Any], text: int) -> int:
    hidden, out = shape["hidden_size"], shape["adapter"]
    patch = 3 * shape["patch_temporal"] * shape["patch_size"] ** 2
    outer = patch * hidden + shape["max_position_embeddings"] * hidden + 4 * hidden
    blocks = shape["num_hidden_layers"] * _block(hidden, shape["intermediate_size"])
    return int(outer + blocks + shape["merge_size"] ** 2 * hidden * out + out * out + out * text)


_FORMULAS = {
    "qwen3_vl": _qwen, "qwen3_5": _qwen, "gemma3": _gemma3, "gemma4": _gemma4, "llama4": _llama4, "kimi": _kimi,
    "muse_glimmer": _muse,
}  # fmt: skip


def tower_parameters(family: str, hidden: int, config: Mapping[str, Any]) -> int:
    """Return the parameters of the vision tower and projector that a multimodal checkpoint of `family` carries.

    `config` is the whole configuration; what its `vision_config` leaves out comes from the published tower.
    Raises `UnknownFact` for a family without a known tower.
    """
    kind = _TOWERS.get(family)
    if kind is None:
        raise UnknownFact(f"no vision tower is known for {family!r}")
    stated = config.get("vision_config")
    shape: dict[str, Any] = dict(_DEFAULTS[kind])
    if isinstance(stated, Mapping):
        shape |= {key: value for key, value in stated.items() if key in shape and isinstance(value, int)}
        if isinstance(stated.get("deepstack_visual_indexes"), list):
            shape["deepstack"] = len(stated["deepstack_visual_indexes"])
    elif kind == "qwen3_vl" and hidden in (2048, 2560) and family == "qwen3_vl_text":
        shape |= _SMALL_QWEN3_VL
    return int(_FORMULAS[kind](shape, hidden))
