"""What a Hugging Face `model_type` says about tensors that its `config.json` leaves out.

Each row states how the reference implementation of the family builds a block: which norms, which biases, gated or
plain feed-forward, and the class defaults that files omit. Facts were read from the families' classes in
transformers and checked against published parameter totals (`benchmarks/models_counts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PRE = ("attn_norm", "ffn_norm")
POST = ("post_attention_norm", "post_ffw_norm")
BOTH = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
PRE_POST = ("attn_norm", "post_attention_norm")
ONE = ("attn_norm",)
MOE_NORMS = ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2")
"""Further norms of a block that has a dense and an expert part (Gemma 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one `model_type` builds its blocks; a bias is True, False or the configuration key that decides."""

    gguf: str | None = None
    """llama.cpp's name of the architecture; None where it has none."""
    norms: tuple[str, ...] = PRE
    norm_weight: bool = True
    norm_bias: bool = False
    qkv_bias: bool | str = False
    output_bias: bool | str = False
    qk_norm: str | None = None
    """None, head (head_dim elements) or full (heads x head_dim)."""
    gated: bool = True
    ffn_bias: bool | str = False
    head_bias: bool = False
    fused_qkv: bool = False
    fused_gate: bool = False
    router_bias: bool = False
    shared_gate: bool = False
    embedding_norm: bool = False
    positions: int = 0
    """Rows added to the learned position table besides the context (OPT: 2); -1 is no table."""
    scalars: int = 0
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Class defaults of fields that files leave out."""


def _f(gguf: str | None, *, positions: int = -1, defaults: Mapping[str, Any] | None = None, **traits: Any) -> Family:
    return Family(gguf=gguf, positions=positions, defaults=defaults or {}, **traits)


_ALL_BIAS: dict[str, Any] = {"qkv_bias": True, "output_bias": True, "ffn_bias": True, "norm_bias": True}
_TIED = {"tie_word_embeddings": True}
_KEYED: dict[str, Any] = {"qkv_bias": "attention_bias", "output_bias": "attention_bias", "ffn_bias": "mlp_bias"}
_QK_HEAD: dict[str, Any] = {"qk_norm": "head", "qkv_bias": "attention_bias", "output_bias": "attention_bias"}
_DEEPSEEK: dict[str, Any] = {"qkv_bias": "attention_bias", "output_bias": "attention_bias"}
_QWEN35_DEFAULTS = {"attn_output_gate": True, "full_attention_interval": 4, "linear_conv_kernel_dim": 4}

FAMILIES: Mapping[str, Family] = {
    # dense, Llama-like
    "llama": _f("llama", **_KEYED),
    "mistral": _f("llama", defaults={"sliding_window": 4096}),
    "ministral3": _f("mistral3"),
    "granite": _f("granite", **_KEYED),
    "smollm3": _f("smollm3", **_KEYED, defaults=_TIED),
    "minicpm": _f("minicpm", qkv_bias="attention_bias", output_bias="attention_bias", defaults=_TIED),
    "solar": _f(None),
    "internlm2": _f("internlm2", qkv_bias="bias", output_bias="bias"),
    "internlm3": _f("llama", qkv_bias="qkv_bias", output_bias="bias"),
    "ernie4_5": _f("ernie4_5", qkv_bias="use_bias", output_bias="use_bias", ffn_bias="use_bias", defaults=_TIED),
    "seed_oss": _f("seed_oss", norms=PRE_POST, qkv_bias="attention_bias", output_bias="attention_out_bias",
                   ffn_bias="mlp_bias", defaults={"attention_bias": True}),
    "arcee": _f("arcee", **_KEYED, gated=False),
    "nemotron": _f("nemotron", **_KEYED, gated=False, norm_bias=True),
    "apertus": _f("apertus", **_QK_HEAD, gated=False, scalars=2),
    "exaone4": _f("exaone4", norms=POST, qk_norm="head"),
    "cohere": _f("command-r", norms=ONE, qkv_bias="attention_bias", output_bias="attention_bias", qk_norm="use_qk_norm",
                 defaults=_TIED),
    "cohere2": _f("cohere2", norms=ONE, qkv_bias="attention_bias", output_bias="attention_bias",
                  defaults={**_TIED, "sliding_window": 4096, "sliding_window_pattern": 4}),
    "glm": _f("chatglm", qkv_bias="attention_bias", fused_qkv=True, fused_gate=True, defaults={"attention_bias": True}),
    "glm4": _f("glm4", norms=BOTH, qkv_bias="attention_bias", fused_gate=True, defaults={"attention_bias": True}),
    "chatglm": _f("chatglm", qkv_bias="add_qkv_bias", output_bias="add_bias_linear", fused_qkv=True, fused_gate=True,
                  defaults={"add_qkv_bias": True}),
    "qwen": _f("qwen", qkv_bias=True, fused_qkv=True),
    "qwen2": _f("qwen2", qkv_bias=True, defaults={"use_sliding_window": False}),
    "qwen3": _f("qwen3", **_QK_HEAD, defaults={"head_dim": 128, "use_sliding_window": False}),
    "qwen3_vl_text": _f("qwen3vl", **_QK_HEAD, defaults={"head_dim": 128}),
    "hunyuan_v1_dense": _f("hunyuan-dense", **_QK_HEAD),
    "phi": _f("phi2", **_ALL_BIAS, norms=ONE, gated=False, head_bias=True),
    "phi3": _f("phi3", fused_qkv=True, fused_gate=True),
    "olmo": _f("olmo", norm_weight=False, qkv_bias="attention_bias", output_bias="attention_bias"),
    "olmo2": _f("olmo2", norms=POST, qk_norm="full", qkv_bias="attention_bias", output_bias="attention_bias"),
    "olmo3": _f("olmo2", norms=POST, qk_norm="full", qkv_bias="attention_bias", output_bias="attention_bias",
                defaults={"sliding_window": 4096, "sliding_window_pattern": 4}),
    "stablelm": _f("stablelm", qkv_bias="use_qkv_bias", norm_bias=True),
    "starcoder2": _f("starcoder2", qkv_bias="use_bias", output_bias="use_bias", ffn_bias="use_bias", norm_bias=True,
                     gated=False, defaults={**_TIED, "use_bias": True}),
    "gemma": _f("gemma", defaults=_TIED),
    "gemma2": _f("gemma2", norms=BOTH, defaults={**_TIED, "sliding_window": 4096, "sliding_window_pattern": 2}),
    "gemma3_text": _f("gemma3", norms=BOTH, qk_norm="head", defaults={
        **_TIED, "sliding_window": 4096, "sliding_window_pattern": 6, "vocab_size": 262208, "head_dim": 256,
        "num_attention_heads": 8, "num_key_value_heads": 4}),
    "gemma4_text": _f("gemma4", norms=BOTH, qk_norm="head", defaults={**_TIED, "global_head_dim": 512}),
    "muse_glimmer_text": _f(None, norms=BOTH, defaults={"attn_output_gate": True}),
    # dense, GPT-like
    "gpt2": _f("gpt2", **_ALL_BIAS, gated=False, fused_qkv=True, positions=0, defaults=_TIED),
    "gpt_neo": _f(None, output_bias=True, ffn_bias=True, norm_bias=True, gated=False, positions=0, defaults=_TIED),
    "gpt_neox": _f("gptneox", **_ALL_BIAS, gated=False, fused_qkv=True),
    "gptj": _f("gptj", norms=ONE, ffn_bias=True, norm_bias=True, gated=False, head_bias=True),
    "bloom": _f("bloom", **_ALL_BIAS, gated=False, fused_qkv=True, embedding_norm=True, defaults=_TIED),
    "falcon": _f("falcon", norms=ONE, norm_bias=True, gated=False, fused_qkv=True, qkv_bias="bias", output_bias="bias",
                 ffn_bias="bias", defaults=_TIED),
    "opt": _f(None, **_ALL_BIAS, gated=False, positions=2, defaults=_TIED),
    # mixtures of experts
    "mixtral": _f("llama"),
    "phimoe": _f("phimoe", qkv_bias=True, output_bias=True, norm_bias=True, head_bias=True),
    "olmoe": _f("olmoe", qk_norm="full"),
    "flex_olmo": _f(None, norms=POST, qk_norm="full"),
    "qwen2_moe": _f("qwen2moe", qkv_bias=True, shared_gate=True),
    "qwen3_moe": _f("qwen3moe", **_QK_HEAD, defaults={"head_dim": 128}),
    "qwen3_vl_moe_text": _f("qwen3vlmoe", **_QK_HEAD, defaults={"head_dim": 128}),
    "granitemoe": _f("granitemoe", qkv_bias="attention_bias", output_bias="attention_bias"),
    "granitemoeshared": _f("granitemoe", qkv_bias="attention_bias", output_bias="attention_bias"),
    "deepseek": _f("deepseek", **_DEEPSEEK),
    "deepseek_v2": _f("deepseek2", **_DEEPSEEK),
    "deepseek_v3": _f("deepseek2", **_DEEPSEEK, router_bias=True),
    "kimi_k2": _f("deepseek2", **_DEEPSEEK, router_bias=True),
    "deepseek_v32": _f("deepseek32", **_DEEPSEEK, router_bias=True),
    "glm_moe_dsa": _f("glm-dsa", **_DEEPSEEK, router_bias=True),
    "glm4_moe": _f("glm4moe", norms=PRE_POST, qkv_bias="attention_bias", qk_norm="use_qk_norm", router_bias=True),
    "glm4_moe_lite": _f("deepseek2", **_DEEPSEEK, router_bias=True),
    "ernie4_5_moe": _f("ernie4_5-moe", qkv_bias="use_bias", output_bias="use_bias", ffn_bias="use_bias",
                       router_bias=True, defaults=_TIED),
    "hunyuan_v1_moe": _f("hunyuan-moe", **_QK_HEAD),
    "minimax_m2": _f("minimax-m2", qk_norm="full", router_bias=True),
    "gpt_oss": _f("gpt-oss", norms=PRE_POST, qkv_bias=True, output_bias=True, defaults={
        "sliding_window": 128, "sliding_window_pattern": 2}),
    "llama4_text": _f("llama4", qkv_bias="attention_bias", output_bias="attention_bias", defaults={
        "attention_chunk_size": 8192, "interleave_moe_layer_step": 1, "no_rope_layer_interval": 4}),
    # hybrids and attention-free
    "qwen3_next": _f("qwen3next", norms=PRE_POST, qk_norm="head", shared_gate=True, defaults={
        **_QWEN35_DEFAULTS, "head_dim": 256, "shared_expert_intermediate_size": 512}),
    "qwen3_5_text": _f("qwen35", norms=PRE_POST, qk_norm="head", defaults={**_QWEN35_DEFAULTS, "head_dim": 256}),
    "qwen3_5_moe_text": _f("qwen35moe", norms=PRE_POST, qk_norm="head", shared_gate=True, defaults={
        **_QWEN35_DEFAULTS, "head_dim": 256}),
    "falcon_h1": _f("falcon-h1", **_KEYED, defaults={"mamba_rms_norm": False}),
    "granitemoehybrid": _f("granitehybrid", qkv_bias="attention_bias", output_bias="attention_bias"),
    "nemotron_h": _f("nemotron_h", norms=ONE, gated=False, router_bias=True, qkv_bias="attention_bias",
                     output_bias="attention_bias", ffn_bias="mlp_bias"),
    "lfm2": _f("lfm2", qk_norm="head", defaults={
        **_TIED, "conv_L_cache": 3, "block_auto_adjust_ff_dim": True, "block_ffn_dim_multiplier": 1.0,
        "block_multiple_of": 256}),
    "mamba": _f("mamba", norms=ONE, defaults={
        **_TIED, "state_size": 16, "conv_kernel": 4, "expand": 2, "time_step_rank": "auto", "use_conv_bias": True}),
}  # fmt: skip
"""Text `model_type` -> family."""

ALIASES: Mapping[str, str] = {
    "qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text", "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text", "gemma3": "gemma3_text", "gemma4": "gemma4_text", "llama4": "llama4_text",
    "kimi_k25": "deepseek_v3", "muse_glimmer": "muse_glimmer_text", "granitemoe_hybrid": "granitemoehybrid",
    "refinedweb": "falcon", "refinedwebmodel": "falcon",
}  # fmt: skip
"""Other names of the same family, among them wrappers whose text part is stored flat."""
