"""What the predictors need to know of one model in one quantization, worked out once and shared by all settings.

Not covered: vision and audio towers, speculative heads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sizewise.errors import UnknownFact
from sizewise.models.cache import row_bytes, window_of
from sizewise.records import Architecture, Attention, Layer, Model

REPACKED = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "Q2_K"})
"""Tensor types of which llama.cpp's x86 build keeps a second, interleaved copy for the processor (b11549, AVX2)."""
TYPE_BITS: Mapping[str, float] = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.5625, "Q5_1": 6.0, "Q5_K": 5.5, "Q5_0": 5.5,
    "Q4_1": 5.0, "Q4_K": 4.5, "Q4_0": 4.5, "IQ4_NL": 4.5, "NVFP4": 4.5, "IQ4_XS": 4.25, "MXFP4": 4.25, "Q3_K": 3.4375,
    "IQ3_S": 3.4375, "IQ3_XXS": 3.0625, "Q2_K": 2.625, "IQ2_S": 2.5625, "IQ2_XS": 2.3125, "IQ2_XXS": 2.0625,
    "IQ1_M": 1.75, "IQ1_S": 1.5625, "F8": 8.0, "FP8": 8.0, "F8_E4M3": 8.0, "I8": 8.0, "U8": 8.0, "I32": 32.0,
    "INT4": 4.25,
}  # fmt: skip
"""Tensor type -> bits of one weight, its share of the block's scales included (gguf 0.19, GGML_QUANT_SIZES)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionGroup:
    """Attention layers that are equal: what one query costs for each token it looks at."""

    layers: int
    macs_per_cell: int
    """Multiply-accumulates of one layer for one query and one cached token: scores and weighted sum, all heads."""
    heads: int
    row_elements: tuple[int, int]
    """Elements of keys and of values that one token adds to one layer's cache; 0 where an earlier layer's is read."""
    window: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model in one quantization, as the predictors see it. Bytes by tensor type."""

    architecture: Architecture
    weights: Mapping[str, int]
    read: Mapping[str, int]
    """What one decode step reads: used experts, no input embedding unless it is the head too."""
    repack_bytes: int
    """Second copy that llama.cpp makes of some tensors when it computes on the processor."""
    macs: Mapping[str, float]
    """Multiply-accumulates of one token in matrix products, by tensor type of the weights; head included."""
    head_macs: float
    """Of them, the output head: paid once a prompt, not once a prompt token."""
    attention: tuple[AttentionGroup, ...]
    sparse_layers: int
    expert_bytes: int
    """Stored bytes of routed experts."""
    weight_bytes: int = 0
    read_bytes: int = 0
    layers: int = 0
    total_macs: float = field(default=0.0)


def _attention_group(arch: Architecture, attention: Attention, layers: int, engine: str) -> AttentionGroup:
    if attention.latent:  # absorbed form: every head scores against the latent row and sums the latent row
        wide = attention.latent.kv_rank
        macs, row = attention.heads * (2 * wide + attention.latent.rope_dim), (wide + attention.latent.rope_dim, 0)
    else:
        macs = attention.heads * (attention.head_dim + attention.value_dim)
        row = (attention.kv_heads * attention.head_dim, attention.kv_heads * attention.value_dim)
    window = attention.window if engine == "transformers" else window_of(arch, attention, engine)
    return AttentionGroup(layers=layers, macs_per_cell=macs, heads=attention.heads, row_elements=row, window=window)


def attention_groups(arch: Architecture, engine: str = "llama.cpp") -> tuple[AttentionGroup, ...]:
    """Return the attention layers of a model, equal ones counted together."""
    kinds: Counter[Attention] = Counter(layer.attention for layer in arch.layers if layer.attention)
    return tuple(_attention_group(arch, attention, count, engine) for attention, count in kinds.items())


def _expert_share(layer: Layer, hidden: int) -> int:
    experts = layer.experts
    if experts is None:
        return 0
    return experts.count * (experts.latent_dim or hidden) * experts.width * (3 if experts.gated else 2)


def model_facts(model: Model, engine: str = "llama.cpp") -> ModelFacts:
    """Return the facts of a model whose tensor bytes are known (read from its files, or computed for a quantization).

    Raises UnknownFact when the architecture or the bytes of the weights are not known.
    """
    arch = model.architecture
    if arch is None:
        raise UnknownFact(
            f"{model.name}: its architecture is not known; `sizewise show {model.name}` says what is missing"
        )
    if not model.tensor_bytes:
        raise UnknownFact(f"{model.name}: the bytes of its tensors are not known; name a file or a quantization")
    read = dict(model.active_tensor_bytes or model.tensor_bytes)
    weights = dict(model.tensor_bytes)
    embedding_type = _embedding_type(weights, read)
    embedding = 0 if arch.tied else arch.hidden * arch.vocabulary
    repack = 0
    for kind in REPACKED & weights.keys():
        own = int(embedding * TYPE_BITS[kind] / 8) if kind == embedding_type else 0
        repack += max(0, weights[kind] - own)
    macs = {kind: size * 8 / TYPE_BITS.get(kind, 8.0) for kind, size in read.items() if kind != "F32"}
    experts = sum(_expert_share(layer, arch.hidden) for layer in arch.layers)
    matrices = sum(size * 8 / TYPE_BITS.get(kind, 8.0) for kind, size in weights.items())
    return ModelFacts(
        architecture=arch,
        weights=weights,
        read=read,
        repack_bytes=repack,
        macs=macs,
        head_macs=float(arch.hidden * arch.vocabulary),
        attention=attention_groups(arch, engine),
        sparse_layers=sum(1 for layer in arch.layers if layer.experts),
        expert_bytes=int(sum(weights.values()) * min(1.0, experts / matrices)) if experts else 0,
        weight_bytes=sum(weights.values()),
        read_bytes=sum(read.values()),
        layers=len(arch.layers),
        total_macs=sum(macs.values()),
    )


def _embedding_type(weights: Mapping[str, int], read: Mapping[str, int]) -> str:
    """Return the type of an untied input embedding: the one whose bytes shrink most between stored and read."""
    return max(weights, key=lambda kind: weights[kind] - read.get(kind, 0))


def cache_read_bytes(facts: ModelFacts, depth: float, kv_type: str) -> float:
    """Return the bytes of cache that one decode step reads when `depth` tokens are cached, all layers."""
    total = 0.0
    for group in facts.attention:
        cells = depth if group.window is None else min(depth, group.window)
        total += group.layers * cells * sum(row_bytes(width, kv_type) for width in group.row_elements if width)
    return total


def attention_macs(facts: ModelFacts, depth: float) -> float:
    """Return the multiply-accumulates of attention for one query with `depth` cached tokens, all layers."""
    return sum(
        group.layers * group.macs_per_cell * (depth if group.window is None else min(depth, group.window))
        for group in facts.attention
    )


def head_cells(facts: ModelFacts, depth: float) -> float:
    """Return how many (head, cached token) pairs one query visits, all layers."""
    return sum(
        group.layers * group.heads * (depth if group.window is None else min(depth, group.window))
        for group in facts.attention
    )


def prompt_cells(group: AttentionGroup, start: float, tokens: float) -> float:
    """Return the cells that a prompt of `tokens` after `start` cached ones looks at in one layer, causally."""
    full = tokens * start + tokens * (tokens + 1) / 2
    if group.window is not None and start + tokens > group.window:
        inside = max(0.0, group.window - start)
        full = inside * start + inside * (inside + 1) / 2 + (tokens - inside) * group.window
    return full


def prompt_attention_macs(facts: ModelFacts, start: float, tokens: float) -> float:
    """Return the multiply-accumulates of attention over a whole prompt, all layers."""
    return sum(group.layers * group.macs_per_cell * prompt_cells(group, start, tokens) for group in facts.attention)


def prompt_head_cells(facts: ModelFacts, start: float, tokens: float) -> float:
    """Return the (head, cached token) pairs of a whole prompt, all layers."""
    return sum(group.layers * group.heads * prompt_cells(group, start, tokens) for group in facts.attention)
