"""Hugging Face `config.json` -> `Architecture`, with the class defaults that files leave out.

An unknown `model_type` or a missing field is an `UnknownFact` that names it; nothing is guessed. Not covered:
encoder models, vision and audio towers (their sizes are extras, see `extras.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from sizewise.errors import ModelError, UnknownFact
from sizewise.models import blocks
from sizewise.models.families import ALIASES, FAMILIES, MOE_NORMS, PRE, Family
from sizewise.models.fields import MOST_LAYERS, Fields
from sizewise.records import Architecture, Attention, FeedForward, Indexer, Latent, Layer

_NESTED = ("text_config", "llm_config", "language_config")
_LETTERS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the language model's part of a configuration, flat, with the wrapper's tie flag where it has none."""
    for name in _NESTED:
        inner = config.get(name)
        if isinstance(inner, Mapping):
            merged = dict(inner)
            for key in ("tie_word_embeddings", "model_type"):
                if key not in merged and key in config:
                    merged[key] = config[key]
            return merged
    return dict(config)


def family_of(config: Mapping[str, Any]) -> tuple[str, Family]:
    """Return the text model's `model_type` and what is known of it; raise `UnknownFact` for one we do not know."""
    name = str(config.get("model_type") or "")[:80]
    key = ALIASES.get(name.lower(), name)
    if key not in FAMILIES:
        near = get_close_matches(name, FAMILIES, n=2)
        hint = f" Close: {', '.join(near)}." if near else ""
        raise UnknownFact(
            f"'model_type' is {name!r}, an architecture we have no tensor rules for.{hint} "
            f"Its weight file (safetensors or GGUF) can still be read: counts then come from the tensors."
            if name
            else "the configuration has no 'model_type'; expected a Hugging Face config.json of a language model"
        )
    return key, FAMILIES[key]


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Return the architecture of a parsed `config.json` (flat or with a nested text configuration).

    >>> arch = read_architecture({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2,
    ...     "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 256})
    >>> len(arch.layers), arch.layers[0].attention.head_dim
    (2, 16)
    """
    text = text_config(config)
    name, family = family_of(text)
    fields = Fields(text, family.defaults, name)
    named = text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if "num_hidden_layers" not in text and isinstance(named, list | str) and named:
        text["num_hidden_layers"] = len(named)
    count = fields.integer("num_hidden_layers", least=1, most=MOST_LAYERS)
    kinds = _kinds(fields, count)
    windows = _windows(fields, count, kinds)
    context = fields.get("max_position_embeddings")
    learned = family.positions >= 0
    return Architecture(
        family=name,
        hidden=fields.integer("hidden_size", least=1),
        vocabulary=fields.integer("vocab_size", least=1),
        layers=tuple(_layer(fields, family, index, kinds[index], windows[index]) for index in range(count)),
        tied=bool(fields.get("tie_word_embeddings", False)),
        norm_weight=family.norm_weight,
        norm_bias=family.norm_bias,
        embedding_norm=family.embedding_norm,
        head_bias=family.head_bias,
        positions=fields.integer("max_position_embeddings") + family.positions if learned else 0,
        layer_embedding_dim=fields.integer("hidden_size_per_layer_input", 0),
        layer_embedding_vocabulary=fields.integer("vocab_size_per_layer_input", 0),
        context_tokens=fields.integer("max_position_embeddings") if context else None,
        rope_factors=_rope_factors(fields),
    )


def _kinds(fields: Fields, count: int) -> list[str]:
    """Return what each layer mixes with: attention, mamba, linear_attention, conv, mlp or moe."""
    if fields.family == "mamba":
        return ["mamba1"] * count
    pattern = fields.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        letters = [_LETTERS.get(letter, letter) for letter in pattern]
        if len(letters) < count:
            raise ModelError(f"'hybrid_override_pattern' has {len(letters)} letters; expected {count}, one per layer")
        return letters[:count]
    named = fields.names("layers_block_type", count) or fields.names("layer_types", count)
    if named is not None:
        return ["attention" if kind.endswith("attention") and kind != "linear_attention" else kind for kind in named]
    if fields.family in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"):
        every = fields.integer("full_attention_interval", least=1)
        return ["attention" if (index + 1) % every == 0 else "linear_attention" for index in range(count)]
    if fields.family in ("lfm2", "granitemoehybrid", "nemotron_h"):
        raise UnknownFact(f"this {fields.family!r} configuration does not state 'layer_types' (which layers attend)")
    return ["attention"] * count


def _windows(fields: Fields, count: int, kinds: list[str]) -> list[int | None]:
    """Return the attention window of each layer in tokens; None is full attention."""
    if fields.family == "llama4_text":
        chunk = fields.integer("attention_chunk_size", 0) if fields.get("attention_chunk_size") else 0
        every = fields.integer("no_rope_layer_interval", 4, least=1)
        return [chunk if chunk and (index + 1) % every else None for index in range(count)]
    window = fields.get("sliding_window")
    if not window or fields.get("use_sliding_window") is False:
        return [None] * count
    window = fields.integer("sliding_window", least=1)
    named = fields.names("layer_types", count)
    if named is not None:
        return [window if kind == "sliding_attention" else None for kind in named]
    if fields.get("sliding_window_pattern"):
        every = fields.integer("sliding_window_pattern", least=1)
        return [window if (index + 1) % every else None for index in range(count)]
    start = fields.integer("max_window_layers", 0) if fields.get("use_sliding_window") else 0
    return [window if index >= start else None for index in range(len(kinds))]


def _rope_factors(fields: Fields) -> int:
    """Return how many rotary factors a GGUF file of this model stores."""
    if fields.family == "gemma4_text":
        return fields.integer("global_head_dim") // 2
    scaling = fields.get("rope_scaling") or fields.get("rope_parameters")
    kind = scaling.get("rope_type", scaling.get("type")) if isinstance(scaling, Mapping) else None
    if kind == "llama3":
        return fields.integer("head_dim", fields.integer("hidden_size") // fields.integer("num_attention_heads")) // 2
    return 0


def _layer(fields: Fields, family: Family, index: int, kind: str, window: int | None) -> Layer:
    if kind == "mamba1":
        return Layer(recurrent=blocks.mamba(fields), norms=family.norms)
    attends = kind == "attention"
    single = fields.family == "nemotron_h"
    mixer = None if attends or kind in ("mlp", "moe") else blocks.recurrent(fields, kind)
    if fields.family == "falcon_h1":
        mixer = blocks.mamba2(fields)
    routed = kind == "moe" if single else blocks.is_expert_layer(fields, index)
    both = fields.family == "gemma4_text" and routed
    dense = kind == "mlp" if single else (both or not routed)
    forward = blocks.feed_forward(fields, family, index) if dense else None
    if fields.family == "granitemoehybrid" and not routed:
        forward = FeedForward(width=fields.integer("shared_intermediate_size"))
    return Layer(
        attention=_attention(fields, family, index, window) if attends else None,
        recurrent=mixer,
        feed_forward=forward,
        experts=blocks.experts(fields, family) if routed else None,
        norms=_norms(fields, family) + (MOE_NORMS if both else ()),
        scalars=family.scalars,
    )


def _norms(fields: Fields, family: Family) -> tuple[str, ...]:
    if fields.family == "falcon" and fields.flag("new_decoder_architecture"):
        return PRE
    if fields.family == "stablelm" and fields.flag("use_parallel_residual"):
        return ("attn_norm",)
    return family.norms


def _attention(fields: Fields, family: Family, index: int, window: int | None) -> Attention:
    heads = fields.integer("num_attention_heads", least=1)
    if fields.get("kv_lora_rank") is not None:
        return _latent_attention(fields, family, heads, index)
    head_dim = fields.integer("head_dim", fields.integer("hidden_size", least=1) // heads, least=1)
    kv_heads = _kv_heads(fields, heads)
    wide = fields.family == "gemma4_text" and window is None
    if wide:
        head_dim = fields.integer("global_head_dim", head_dim, least=1)
        if fields.flag("attention_k_eq_v"):
            kv_heads = fields.integer("num_global_key_value_heads", kv_heads, least=1)
    norm = family.qk_norm
    if norm == "use_qk_norm":
        norm = "head" if fields.flag("use_qk_norm") else None
    per_head = norm == "full" or (norm == "head" and fields.family == "cohere")
    layers = fields.integer("num_hidden_layers")
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=head_dim,
        window=window,
        chunked=fields.family == "llama4_text" and window is not None,
        qkv_bias=fields.flag(family.qkv_bias),
        output_bias=fields.flag(family.output_bias),
        q_norm=head_dim * (heads if per_head else 1) if norm else 0,
        k_norm=head_dim * (kv_heads if per_head else 1) if norm else 0,
        output_gate=fields.flag("attn_output_gate"),
        sinks=fields.family == "gpt_oss",
        keys_are_values=wide and fields.flag("attention_k_eq_v"),
        shares_cache=index >= layers - fields.integer("num_kv_shared_layers", 0),
        fused_qkv=family.fused_qkv,
    )


def _kv_heads(fields: Fields, heads: int) -> int:
    if fields.family == "falcon":
        if fields.flag("new_decoder_architecture"):
            return fields.integer("num_key_value_heads", heads, least=1)
        return 1 if fields.get("multi_query", True) else heads
    return fields.integer("num_key_value_heads", heads, least=1)


def _latent_attention(fields: Fields, family: Family, heads: int, index: int) -> Attention:
    kinds = fields.get("indexer_types")
    scores = fields.get("index_n_heads") is not None
    if isinstance(kinds, list) and index < len(kinds) and kinds[index] != "full":
        scores = False
    return Attention(
        heads=heads,
        kv_heads=heads,
        head_dim=fields.integer("qk_nope_head_dim") + fields.integer("qk_rope_head_dim"),
        value_dim=fields.integer("v_head_dim", least=1),
        latent=Latent(
            kv_rank=fields.integer("kv_lora_rank", least=1),
            rope_dim=fields.integer("qk_rope_head_dim"),
            nope_dim=fields.integer("qk_nope_head_dim", least=1),
            q_rank=fields.integer("q_lora_rank") if fields.get("q_lora_rank") else None,
        ),
        indexer=Indexer(heads=fields.integer("index_n_heads"), dim=fields.integer("index_head_dim"))
        if scores
        else None,
        output_bias=fields.flag(family.output_bias),
    )
