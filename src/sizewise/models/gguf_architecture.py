"""GGUF keys and tensor table -> `Architecture`, for named and for unknown architectures.

The table decides what a block holds (so a family we never heard of is still counted exactly); keys decide what the
table cannot show: heads, windows, experts used. What a file does not say is an `UnknownFact` that names the key.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sizewise.errors import ModelError, UnknownFact
from sizewise.models.families import FAMILIES
from sizewise.models.fields import LARGEST, MOST_LAYERS
from sizewise.models.gguf_reading import StoredTensor
from sizewise.records import Architecture, Attention, Experts, FeedForward, Indexer, Latent, Layer, Recurrent

_WINDOW_PATTERNS: Mapping[str, int] = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "exaone4": 4, "olmo2": 4, "llama4": 4,
}  # fmt: skip
"""Architectures whose window pattern is fixed in llama.cpp: every n-th layer attends to everything."""

_LLAMA4_CHUNK = 8192
_NORM = re.compile(r"norm(_\d)?$")
_INNER_NORMS = ("attn_q", "attn_k", "ssm_", "post_norm")


class Keys:
    """The keys of one file under its architecture's prefix, bounded."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        name = keys.get("general.architecture")
        if not isinstance(name, str) or not name:
            raise UnknownFact("the file does not state 'general.architecture'; expected a language model's GGUF file")
        self.keys, self.name = keys, name[:80]

    def get(self, key: str) -> Any:
        """Return the value of a key without its prefix, or None."""
        return self.keys.get(f"{self.name}.{key}")

    def number(self, key: str, default: int | None = None, layer: int = 0) -> int:
        """Return a whole number; a list gives its entry for `layer`."""
        value = self.get(key)
        if isinstance(value, list):
            value = value[layer] if layer < len(value) else None
        if value is None:
            value = default
        if value is None:
            raise UnknownFact(f"the file does not state '{self.name}.{key}', which the cache size needs")
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
            raise ModelError(f"key '{self.name}.{key}' is {str(value)[:60]}; expected a whole number")
        return value


Block = Mapping[str, StoredTensor]


def read_architecture(raw: Mapping[str, Any], table: tuple[StoredTensor, ...]) -> Architecture:
    """Return the architecture of a file's keys and tensors; raise `UnknownFact` naming a missing key."""
    keys = Keys(raw)
    count = keys.number("block_count")
    if not 1 <= count <= MOST_LAYERS:
        raise ModelError(f"the file states {count} blocks; expected 1 to {MOST_LAYERS}")
    outer, blocks = _grouped(table)
    embedding = outer.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise UnknownFact(
            "the file has no 'token_embd.weight'; it is not a whole language model (an adapter, a split?)"
        )
    hidden, vocabulary = embedding.shape
    if not hidden or not vocabulary:
        raise ModelError(f"'token_embd.weight' is {hidden} x {vocabulary}; expected a table with rows and columns")
    per_layer = outer.get("per_layer_token_embd.weight")
    context = keys.get("context_length")
    return Architecture(
        family=_family(keys.name, blocks),
        hidden=hidden,
        vocabulary=vocabulary,
        layers=tuple(_layer(keys, blocks.get(index, {}), index, hidden) for index in range(count)),
        tied="output.weight" not in outer,
        norm_weight="output_norm.weight" in outer or "token_embd_norm.weight" in outer,
        norm_bias="output_norm.bias" in outer,
        embedding_norm="token_embd_norm.weight" in outer and "output_norm.weight" in outer,
        head_bias="output.bias" in outer,
        positions=_rows(outer, "position_embd.weight"),
        layer_embedding_dim=per_layer.shape[0] // count if per_layer and per_layer.shape else 0,
        layer_embedding_vocabulary=_rows(outer, "per_layer_token_embd.weight"),
        context_tokens=context if isinstance(context, int) else None,
        rope_factors=outer["rope_freqs.weight"].elements if "rope_freqs.weight" in outer else 0,
    )


def _grouped(table: tuple[StoredTensor, ...]) -> tuple[dict[str, StoredTensor], dict[int, dict[str, StoredTensor]]]:
    outer: dict[str, StoredTensor] = {}
    blocks: defaultdict[int, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in table:
        parts = tensor.name.split(".", 2)
        if len(parts) == 3 and parts[0] == "blk" and parts[1].isdecimal() and len(parts[1]) < 6:
            blocks[int(parts[1])][parts[2]] = tensor
        else:
            outer[tensor.name] = tensor
    return outer, dict(blocks)


def _family(name: str, blocks: Mapping[int, Block]) -> str:
    """Return our family of a llama.cpp architecture; the name itself where we have none."""
    experts = any("ffn_gate_inp.weight" in block for block in blocks.values())
    corrected = any("exp_probs_b.bias" in block for block in blocks.values())
    special = {"llama": "mixtral" if experts else "llama", "deepseek2": "deepseek_v3" if corrected else "deepseek_v2"}
    if name in special:
        return special[name]
    return next((family for family, traits in FAMILIES.items() if traits.gguf == name), name)


def _dims(block: Block, name: str, number: int) -> tuple[int, ...]:
    """Return the shape of a tensor; raise `ModelError` where it has another number of dimensions."""
    shape = block[name].shape
    if len(shape) != number:
        raise ModelError(f"tensor {name!r} of a block has {len(shape)} dimensions; expected {number}")
    return shape


def _rows(block: Block, name: str) -> int:
    tensor = block.get(name)
    return tensor.shape[1] if tensor is not None and len(tensor.shape) > 1 else 0


def _layer(keys: Keys, block: Block, index: int, hidden: int) -> Layer:
    attends = "attn_output.weight" in block
    return Layer(
        attention=_attention(keys, block, index, hidden) if attends else None,
        recurrent=_recurrent(keys, block),
        feed_forward=_feed_forward(block),
        experts=_experts(keys, block),
        norms=_norms(block, hidden),
        scalars=2 if "xielu.alpha_n" in keys.keys else 0,
    )


def _norms(block: Block, hidden: int) -> tuple[str, ...]:
    """Return the norms over the whole width; those on queries, keys, ranks and states belong to their mixers."""
    names = [name.removesuffix(".weight") for name, tensor in block.items() if tensor.shape == (hidden,)]
    return tuple(name for name in names if _NORM.search(name) and not name.startswith(_INNER_NORMS))


def _attention(keys: Keys, block: Block, index: int, hidden: int) -> Attention:
    heads = keys.number("attention.head_count", layer=index)
    if heads < 1:
        raise UnknownFact(f"the file does not state '{keys.name}.attention.head_count' of block {index}")
    latent = _latent(keys, block)
    fused = "attn_qkv.weight" in block
    query, key, value = (_rows(block, f"attn_{name}.weight") for name in "qkv")
    kv_heads = keys.number("attention.head_count_kv", heads, layer=index) or heads
    head_dim = keys.number("attention.key_length", hidden // heads)
    if key and not latent:
        head_dim = key // kv_heads
    value_dim = value // kv_heads if value and not latent else keys.number("attention.value_length", head_dim)
    if latent:
        head_dim = keys.number("attention.key_length_mla", latent.nope_dim + latent.rope_dim)
        value_dim = keys.number("attention.value_length_mla", 0) or _dims(block, "attn_output.weight", 2)[0] // heads
    window, chunked = _window(keys, index)
    norms = [block[name].elements if name in block else 0 for name in ("attn_q_norm.weight", "attn_k_norm.weight")]
    return Attention(
        heads=heads,
        kv_heads=heads if latent else kv_heads,
        head_dim=head_dim,
        value_dim=value_dim,
        window=window,
        chunked=chunked,
        latent=latent,
        indexer=_indexer(keys, block),
        qkv_bias=any(f"{name}.bias" in block for name in ("attn_q", "attn_qkv")),
        output_bias="attn_output.bias" in block,
        q_norm=norms[0],
        k_norm=norms[1],
        output_gate=bool(query and not latent and query >= 2 * heads * head_dim),
        sinks="attn_sinks.weight" in block,
        keys_are_values=bool(key and not value and not latent),
        shares_cache=not (key or fused or latent),
        fused_qkv=fused,
    )


def _window(keys: Keys, index: int) -> tuple[int | None, bool]:
    window = keys.get("attention.sliding_window")
    if keys.name == "llama4":
        return (_LLAMA4_CHUNK, True) if (index + 1) % 4 else (None, False)
    if not isinstance(window, int) or not window:
        return None, False
    pattern = keys.get("attention.sliding_window_pattern")
    if isinstance(pattern, list) and index < len(pattern):
        return (window if pattern[index] else None), False
    every = pattern if isinstance(pattern, int) else _WINDOW_PATTERNS.get(keys.name, 0)
    return (None if every and (index + 1) % every == 0 else window), False


def _latent(keys: Keys, block: Block) -> Latent | None:
    if "attn_kv_a_mqa.weight" not in block:
        return None
    rank = keys.number("attention.kv_lora_rank")
    rope = _rows(block, "attn_kv_a_mqa.weight") - rank
    query = _rows(block, "attn_q_a.weight") or None
    up = "attn_k_b.weight" in block
    nope = _dims(block, "attn_k_b.weight", 3)[0] if up else keys.number("attention.key_length") - rope
    return Latent(kv_rank=rank, rope_dim=max(rope, 0), nope_dim=nope, q_rank=query)


def _indexer(keys: Keys, block: Block) -> Indexer | None:
    if "indexer.attn_k.weight" not in block:
        return None
    return Indexer(heads=keys.number("attention.indexer.head_count"), dim=_rows(block, "indexer.attn_k.weight"))


def _feed_forward(block: Block) -> FeedForward | None:
    if "ffn_down.weight" not in block:
        return None
    width, up = _dims(block, "ffn_down.weight", 2)[0], _rows(block, "ffn_up.weight")
    fused = "ffn_gate.weight" not in block and up == 2 * width
    return FeedForward(
        width=width,
        gated="ffn_gate.weight" in block or fused,
        bias="ffn_down.bias" in block,
        fused_gate=fused,
    )


def _experts(keys: Keys, block: Block) -> Experts | None:
    down = block.get("ffn_down_exps.weight")
    if down is None or len(down.shape) != 3:
        return None
    shared = _dims(block, "ffn_down_shexp.weight", 2)[0] if "ffn_down_shexp.weight" in block else 0
    outer = _dims(block, "ffn_gate_inp.weight", 2)[0] if "ffn_gate_inp.weight" in block else down.shape[1]
    return Experts(
        count=down.shape[2],
        used=keys.number("expert_used_count"),
        width=down.shape[0],
        shared_width=shared,
        shared_gate="ffn_gate_inp_shexp.weight" in block,
        gated="ffn_gate_exps.weight" in block,
        bias="ffn_down_exps.bias" in block,
        router_bias="exp_probs_b.bias" in block,
        scaled="ffn_gate_inp.scale" in block,
        latent_dim=down.shape[1] if outer != down.shape[1] else 0,
    )


def _recurrent(keys: Keys, block: Block) -> Recurrent | None:
    if "shortconv.conv.weight" in block:
        kernel, channels = _dims(block, "shortconv.conv.weight", 2)
        return Recurrent(kind="short_conv", inner=channels, conv_kernel=kernel, conv_channels=channels, conv_bias=False)
    if "ssm_conv1d.weight" not in block or "ssm_out.weight" not in block:
        return None
    kernel, channels = _dims(block, "ssm_conv1d.weight", 2)
    inner, state = _dims(block, "ssm_out.weight", 2)[0], keys.number("ssm.state_size")
    kind = "mamba" if "ssm_x.weight" in block else "mamba2" if "ssm_in.weight" in block else "deltanet"
    norm = block.get("ssm_norm.weight")
    return Recurrent(
        kind=kind,
        inner=inner,
        conv_kernel=kernel,
        conv_channels=channels,
        state_elements=inner * state,
        heads=0 if kind == "mamba" else keys.number("ssm.time_step_rank"),
        groups=keys.number("ssm.group_count", 1),
        state_dim=state,
        dt_rank=keys.number("ssm.time_step_rank") if kind == "mamba" else 0,
        norm=norm.elements if norm else 0,
        conv_bias="ssm_conv1d.bias" in block,
    )
