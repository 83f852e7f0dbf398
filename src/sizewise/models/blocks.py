"""Feed-forward, expert and recurrent blocks of a Hugging Face configuration, layer by layer."""

from __future__ import annotations

from sizewise.errors import UnknownFact
from sizewise.models.families import Family
from sizewise.models.fields import Fields
from sizewise.records import Experts, FeedForward, Recurrent

_FOUR_TIMES = ("gpt2", "gpt_neo", "bloom", "falcon", "gptj")


def dense_width(fields: Fields) -> int:
    """Return the width of a dense feed-forward block, by the family's own rule."""
    hidden = fields.integer("hidden_size", least=1)
    if fields.family in _FOUR_TIMES and fields.get("intermediate_size") is None:
        return 4 * hidden
    if fields.family == "llama4_text" and fields.has("intermediate_size_mlp"):
        return fields.integer("intermediate_size_mlp")
    width = fields.integer("intermediate_size")
    if fields.family == "qwen":
        return width // 2
    if fields.family == "lfm2" and fields.flag("block_auto_adjust_ff_dim"):
        multiplier = fields.real("block_ffn_dim_multiplier", 1.0)
        multiple = fields.integer("block_multiple_of", least=1)
        width = int(multiplier * int(2 * width / 3))
        return -(-width // multiple) * multiple
    return width


def feed_forward(fields: Fields, family: Family, layer: int) -> FeedForward:
    """Return the dense block of `layer`; Gemma 3n and 4 widen the layers that share their cache."""
    width = dense_width(fields)
    shared = fields.integer("num_kv_shared_layers", 0)
    if shared and fields.flag("use_double_wide_mlp") and layer >= fields.integer("num_hidden_layers") - shared:
        width *= 2
    return FeedForward(width=width, gated=family.gated, bias=fields.flag(family.ffn_bias), fused_gate=family.fused_gate)


def is_expert_layer(fields: Fields, layer: int) -> bool:
    """Return whether `layer` routes to experts."""
    if not fields.integer("num_experts", 0) or fields.get("enable_moe_block") is False:
        return False
    only = fields.get("mlp_only_layers")
    if isinstance(only, list) and layer in only:
        return False
    step = fields.get("interleave_moe_layer_step")
    if step:
        return (layer + 1) % fields.integer("interleave_moe_layer_step", least=1) == 0
    frequency = fields.get("moe_layer_freq", 1)
    if isinstance(frequency, list):
        return bool(frequency[layer]) if layer < len(frequency) else False
    start = fields.integer("first_k_dense_replace", fields.integer("moe_layer_start_index", 0))
    end = fields.integer("moe_layer_end_index", 2**30)
    every = fields.integer("decoder_sparse_step", 1, least=1)
    return start <= layer <= end and (layer + 1) % every == 0


def _shared_width(fields: Fields, width: int) -> int:
    if fields.family == "llama4_text":
        return fields.integer("intermediate_size")
    for name in ("shared_expert_intermediate_size", "shared_intermediate_size"):
        if fields.get(name) is not None:
            return fields.integer(name)
    number = fields.integer("n_shared_experts", 0)
    return number * fields.integer("moe_shared_expert_intermediate_size", width)


def experts(fields: Fields, family: Family) -> Experts:
    """Return the expert block; raise `UnknownFact` where the number of used experts is missing."""
    own = fields.get("moe_intermediate_size") is not None and fields.family != "llama4_text"
    width = fields.integer("moe_intermediate_size" if own else "intermediate_size", least=1)
    return Experts(
        count=fields.integer("num_experts", least=1),
        used=fields.integer("num_experts_per_tok", least=1),
        width=width,
        shared_width=_shared_width(fields, width),
        shared_gate=family.shared_gate,
        gated=family.gated,
        bias=fields.family == "gpt_oss",
        router_bias=family.router_bias,
        scaled=fields.family == "gemma4_text",
        latent_dim=fields.integer("moe_latent_size", 0),
    )


def mamba(fields: Fields) -> Recurrent:
    """Return a Mamba-1 mixer (Gu and Dao 2023)."""
    hidden = fields.integer("hidden_size", least=1)
    inner = fields.integer("intermediate_size", fields.integer("expand", 2) * hidden, least=1)
    rank = fields.get("time_step_rank", "auto")
    state = fields.integer("state_size", least=1)
    return Recurrent(
        kind="mamba",
        inner=inner,
        conv_kernel=fields.integer("conv_kernel", least=1),
        conv_channels=inner,
        state_elements=inner * state,
        state_dim=state,
        dt_rank=-(-hidden // 16) if rank == "auto" else fields.integer("time_step_rank", least=1),
        conv_bias=fields.flag("use_conv_bias"),
    )


def mamba2(fields: Fields) -> Recurrent:
    """Return a Mamba-2 mixer; families name its fields differently."""
    prefixed = fields.has("mamba_n_heads")
    heads = fields.integer("mamba_n_heads" if prefixed else "mamba_num_heads", least=1)
    head_dim = fields.integer("mamba_d_head" if prefixed else "mamba_head_dim", least=1)
    groups = fields.integer("mamba_n_groups" if prefixed else "n_groups", least=1)
    state = fields.integer("mamba_d_state" if prefixed else "ssm_state_size", least=1)
    inner = heads * head_dim
    normed = fields.family != "falcon_h1" or fields.flag("mamba_rms_norm")
    return Recurrent(
        kind="mamba2",
        inner=inner,
        conv_kernel=fields.integer("mamba_d_conv" if prefixed else "conv_kernel", least=1),
        conv_channels=inner + 2 * groups * state,
        state_elements=inner * state,
        heads=heads,
        groups=groups,
        state_dim=state,
        norm=inner if normed else 0,
    )


def deltanet(fields: Fields) -> Recurrent:
    """Return a gated DeltaNet mixer (Qwen3-Next, Qwen3.5)."""
    heads, groups = fields.integer("linear_num_value_heads", least=1), fields.integer("linear_num_key_heads", least=1)
    key, value = fields.integer("linear_key_head_dim", least=1), fields.integer("linear_value_head_dim", least=1)
    return Recurrent(
        kind="deltanet",
        inner=heads * value,
        conv_kernel=fields.integer("linear_conv_kernel_dim", least=1),
        conv_channels=2 * groups * key + heads * value,
        state_elements=heads * key * value,
        heads=heads,
        groups=groups,
        state_dim=key,
        norm=value,
        conv_bias=False,
    )


def short_conv(fields: Fields) -> Recurrent:
    """Return the gated short convolution of LFM2."""
    hidden = fields.integer("hidden_size", least=1)
    return Recurrent(
        kind="short_conv",
        inner=hidden,
        conv_kernel=fields.integer("conv_L_cache", least=1),
        conv_channels=hidden,
        conv_bias=fields.flag("conv_bias"),
    )


_RECURRENT = {"mamba": mamba2, "linear_attention": deltanet, "conv": short_conv}


def recurrent(fields: Fields, kind: str) -> Recurrent:
    """Return the mixer that a `layer_types` entry names."""
    if kind not in _RECURRENT:
        raise UnknownFact(f"unknown layer type {kind!r} in 'layer_types'; known are {', '.join(_RECURRENT)}")
    return _RECURRENT[kind](fields)
