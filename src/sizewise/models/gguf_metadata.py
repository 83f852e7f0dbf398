"""Architecture -> the metadata keys that llama.cpp needs to load a file of that shape.

Used to write real-shaped sparse files that engines accept. Not covered: families that llama.cpp has no name for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sizewise.errors import UnknownFact
from sizewise.models.families import FAMILIES
from sizewise.records import Architecture, Attention, Experts, Layer, Recurrent

Value = int | float | bool | str | list[int] | list[bool] | list[str] | list[float]


def gguf_name(arch: Architecture) -> str:
    """Return llama.cpp's name of the architecture; raise `UnknownFact` where it has none."""
    family = FAMILIES.get(arch.family)
    if family is None or family.gguf is None:
        raise UnknownFact(f"llama.cpp has no architecture for {arch.family!r} models, so no GGUF file can be shaped")
    if arch.family == "granitemoehybrid" and not any(layer.recurrent for layer in arch.layers):
        return "granitemoe" if any(layer.experts for layer in arch.layers) else "granite"
    return family.gguf


def metadata(arch: Architecture) -> dict[str, Value]:
    """Return the hyperparameter keys of a GGUF file of this architecture, without tokenizer."""
    name = gguf_name(arch)
    keys: dict[str, Value] = {
        "context_length": arch.context_tokens or 32768,
        "embedding_length": arch.hidden,
        "block_count": len(arch.layers),
        "vocab_size": arch.vocabulary,
        "feed_forward_length": _per_layer(arch, _width),
        "attention.layer_norm_rms_epsilon": 1e-6,
        "attention.layer_norm_epsilon": 1e-5,
    }
    attends = [layer.attention for layer in arch.layers if layer.attention]
    if attends:
        keys |= _attention(arch, attends)
    else:
        keys |= {"attention.head_count": 0}
    experts = next((layer.experts for layer in arch.layers if layer.experts), None)
    if experts:
        keys |= _experts(arch, experts)
    mixer = next((layer.recurrent for layer in arch.layers if layer.recurrent), None)
    if mixer:
        keys |= _recurrent(mixer)
    keys |= _special(arch)
    named: dict[str, Value] = {f"{name}.{key}": value for key, value in keys.items()}
    if arch.family == "apertus":
        named |= {f"xielu.{key}": [1.0] * len(arch.layers) for key in ("alpha_n", "alpha_p", "beta", "eps")}
    return {"general.architecture": name} | named


def _width(layer: Layer) -> int:
    if layer.feed_forward:
        return layer.feed_forward.width
    return layer.experts.width if layer.experts else 0


def _per_layer(arch: Architecture, of: Callable[[Layer], int]) -> Value:
    """Return one number where all layers agree, else a list."""
    values = [of(layer) for layer in arch.layers]
    return values[0] if len(set(values)) == 1 else values


def _scalar_heads(arch: Architecture) -> bool:
    return arch.family in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")


def _attention(arch: Architecture, attends: list[Attention]) -> dict[str, Value]:
    lead = next((item for item in attends if item.window is None), attends[0])
    keys: dict[str, Value] = {
        "attention.head_count": lead.heads,
        "attention.head_count_kv": lead.kv_heads
        if _scalar_heads(arch)
        else _per_layer(arch, lambda layer: layer.attention.kv_heads if layer.attention else 0),
        "attention.key_length": lead.head_dim,
        "attention.value_length": lead.value_dim,
        "rope.dimension_count": lead.head_dim,
        "rope.freq_base": 10000.0,
    }
    if lead.latent:
        latent = lead.latent
        keys |= {
            "attention.head_count_kv": 1,
            "attention.kv_lora_rank": latent.kv_rank,
            "attention.key_length": latent.kv_rank + latent.rope_dim,
            "attention.value_length": latent.kv_rank,
            "attention.key_length_mla": lead.head_dim,
            "attention.value_length_mla": lead.value_dim,
            "rope.dimension_count": latent.rope_dim,
        }
        if latent.q_rank:
            keys["attention.q_lora_rank"] = latent.q_rank
    if lead.indexer:
        keys |= {
            "attention.indexer.head_count": lead.indexer.heads,
            "attention.indexer.key_length": lead.indexer.dim,
            "attention.indexer.top_k": 2048,
        }
    return keys | _windows(arch)


def _windows(arch: Architecture) -> dict[str, Value]:
    windows = [layer.attention.window if layer.attention else None for layer in arch.layers]
    sliding = next((window for window in windows if window), None)
    if sliding is None:
        return {}
    keys: dict[str, Value] = {"attention.sliding_window": sliding}
    narrow = next(layer.attention for layer in arch.layers if layer.attention and layer.attention.window)
    if arch.family == "gemma4_text":
        keys |= {
            "attention.sliding_window_pattern": [bool(window) for window in windows],
            "attention.key_length_swa": narrow.head_dim,
            "attention.value_length_swa": narrow.value_dim,
            "rope.dimension_count_swa": narrow.head_dim,
            "attention.shared_kv_layers": sum(
                bool(layer.attention and layer.attention.shares_cache) for layer in arch.layers
            ),
            "embedding_length_per_layer_input": arch.layer_embedding_dim,
        }
    if narrow.chunked:
        keys["attention.chunk_size"] = sliding
    return keys


def _experts(arch: Architecture, experts: Experts) -> dict[str, Value]:
    dense = next((index for index, layer in enumerate(arch.layers) if layer.experts), 0)
    shared = experts.shared_width
    keys: dict[str, Value] = {
        "expert_count": experts.count,
        "expert_used_count": experts.used,
        "expert_feed_forward_length": experts.width,
        "leading_dense_block_count": dense,
        "expert_weights_scale": 1.0,
        "expert_gating_func": 2 if experts.router_bias else 1,
        "expert_weights_norm": True,
    }
    if shared:
        keys["expert_shared_feed_forward_length"] = shared
        keys["expert_shared_count"] = max(1, shared // experts.width)
    if arch.family == "llama4_text":
        keys["interleave_moe_layer_step"] = next(i for i, layer in enumerate(arch.layers) if layer.experts) + 1
    return keys


def _recurrent(mixer: Recurrent) -> dict[str, Value]:
    if mixer.kind == "short_conv":
        return {"shortconv.l_cache": mixer.conv_kernel}
    return {
        "ssm.conv_kernel": mixer.conv_kernel,
        "ssm.inner_size": mixer.inner,
        "ssm.state_size": mixer.state_dim,
        "ssm.time_step_rank": mixer.dt_rank or mixer.heads,
        "ssm.group_count": mixer.groups,
        "ssm.dt_b_c_rms": False,
    }


_SPECIAL: Mapping[str, dict[str, Value]] = {
    "granite": {"attention.scale": 1.0, "embedding_scale": 1.0, "residual_scale": 1.0, "logit_scale": 1.0},
    "granitemoe": {"attention.scale": 1.0, "embedding_scale": 1.0, "residual_scale": 1.0, "logit_scale": 1.0},
    "granitemoehybrid": {"attention.scale": 1.0, "embedding_scale": 1.0, "residual_scale": 1.0, "logit_scale": 1.0},
    "minicpm": {"embedding_scale": 1.0, "residual_scale": 1.0, "logit_scale": 1.0},
    "cohere": {"logit_scale": 1.0},
    "cohere2": {"logit_scale": 1.0},
    "gemma2": {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    "gemma4_text": {"final_logit_softcapping": 30.0},
    "gpt_neox": {"use_parallel_residual": True},
    "qwen3_next": {"full_attention_interval": 4},
    "qwen3_5_text": {"full_attention_interval": 4, "rope.dimension_sections": [11, 11, 10, 0]},
    "qwen3_5_moe_text": {"full_attention_interval": 4, "rope.dimension_sections": [11, 11, 10, 0]},
    "qwen3_vl_text": {"rope.dimension_sections": [24, 20, 20, 0], "n_deepstack_layers": 3},
    "qwen3_vl_moe_text": {"rope.dimension_sections": [24, 20, 20, 0], "n_deepstack_layers": 3},
    "ernie4_5_moe": {"interleave_moe_layer_step": 1},
    "phi3": {"rope.scaling.original_context_length": 4096},
}


def _special(arch: Architecture) -> dict[str, Value]:
    if arch.family == "qwen":
        return {"feed_forward_length": 2 * _width(arch.layers[0])}
    return dict(_SPECIAL.get(arch.family, {}))


def tokenizer(vocabulary: int) -> dict[str, Any]:
    """Return a made-up vocabulary that engines load: bytes first, then numbered words."""
    words = ["<unk>", "<s>", "</s>", "<|endoftext|>", *[f"<0x{byte:02X}>" for byte in range(256)]][:vocabulary]
    words += [f"\u2581w{index}" for index in range(vocabulary - len(words))]
    kinds = [2, 3, 3, 3, *[6] * 256][:vocabulary]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.scores": [-float(index) for index in range(vocabulary)],
        "tokenizer.ggml.token_type": kinds + [1] * (vocabulary - len(kinds)),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
