"""What the predictors need to know of one model in one quantization, worked out once and shared by all settings.

Not covered: vision and audio towers, speculative heads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sizewise.errors import UnknownFact
from sizewise.models.cache import LLAMA_CPP_WINDOWS, row_bytes
from sizewise.records import Attention, Layer, Model

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
    kv_heads: int
    """Rows of keys that one cached token has; 1 where all heads share one."""
    row_elements: tuple[int, int]
    """Elements of keys and of values that one token adds to one layer's cache; 0 where an earlier layer's is read."""
    window: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeFacts:
    """What depends on the architecture alone, shared by all its quantizations; compared by identity."""

    family: str
    hidden: int
    vocabulary: int
    tied: bool
    layers: int
    kinds: tuple[tuple[Layer, int], ...]
    """Different blocks, and how often each occurs."""
    attention: tuple[AttentionGroup, ...]
    sparse_layers: int
    feed_width: int
    """Widest dense feed-forward; 0 when there is none."""
    routed_width: int
    """Widest used experts together."""
    experts_used: int
    experts_count: int
    inner_width: int
    """Widest query heads together."""
    heads: int
    expert_weights: int
    feed_macs: float
    """Multiply-accumulates of one token in feed-forwards and used experts, all layers."""

    @property
    def head_macs(self) -> float:
        """Multiply-accumulates of the output head: paid once a prompt, not once a prompt token."""
        return float(self.hidden * self.vocabulary)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model in one quantization, as the predictors see it. Bytes by tensor type."""

    shape: ShapeFacts
    weights: Mapping[str, int]
    read: Mapping[str, int]
    """What one decode step reads: used experts, no input embedding unless it is the head too."""
    repack_bytes: int
    """Second copy that llama.cpp makes of some tensors when it computes on the processor."""
    macs: Mapping[str, float]
    """Multiply-accumulates of one token in matrix products, by tensor type of the weights; head included."""
    expert_bytes: int
    """Stored bytes of routed experts."""
    weight_bytes: int
    read_bytes: int
    total_macs: float


def _attention_group(family: str, attention: Attention, layers: int) -> AttentionGroup:
    if attention.latent:  # absorbed form: every head scores against the latent row and sums the latent row
        wide = attention.latent.kv_rank
        macs, row = attention.heads * (2 * wide + attention.latent.rope_dim), (wide + attention.latent.rope_dim, 0)
    else:
        macs = attention.heads * (attention.head_dim + attention.value_dim)
        row = (attention.kv_heads * attention.head_dim, attention.kv_heads * attention.value_dim)
    window = attention.window if family in LLAMA_CPP_WINDOWS else None
    return AttentionGroup(
        layers=layers,
        macs_per_cell=macs,
        heads=attention.heads,
        kv_heads=1 if attention.latent else max(1, attention.kv_heads),
        row_elements=row,
        window=window,
    )


def _expert_weights(layer: Layer, hidden: int) -> int:
    experts = layer.experts
    if experts is None:
        return 0
    return experts.count * (experts.latent_dim or hidden) * experts.width * (3 if experts.gated else 2)


def _feed_macs(layer: Layer, hidden: int) -> float:
    """Return the multiply-accumulates of one token in a layer's feed-forward and its used experts."""
    feed, experts = layer.feed_forward, layer.experts
    macs = hidden * feed.width * (3 if feed.gated else 2) if feed else 0
    if experts is None:
        return float(macs)
    routed = _expert_weights(layer, hidden) * min(1.0, experts.used / experts.count)
    return macs + routed + hidden * experts.shared_width * (3 if experts.gated else 2)


def shape_facts(
    family: str, hidden: int, vocabulary: int, tied: bool, kinds: Iterable[tuple[Layer, int]]
) -> ShapeFacts:
    """Return what the predictors need of an architecture, given its different blocks and how often each occurs."""
    kinds = tuple(kinds)
    blocks = [layer for layer, _ in kinds]
    attends = [layer.attention for layer in blocks if layer.attention]
    routed = [layer.experts for layer in blocks if layer.experts]
    groups: Counter[Attention] = Counter()
    for layer, count in kinds:
        if layer.attention:
            groups[layer.attention] += count
    return ShapeFacts(
        family=family,
        hidden=hidden,
        vocabulary=vocabulary,
        tied=tied,
        layers=sum(count for _, count in kinds),
        kinds=kinds,
        attention=tuple(_attention_group(family, attention, count) for attention, count in groups.items()),
        sparse_layers=sum(count for layer, count in kinds if layer.experts),
        feed_width=max((layer.feed_forward.width for layer in blocks if layer.feed_forward), default=0),
        routed_width=max((experts.used * experts.width for experts in routed), default=0),
        experts_used=max((experts.used for experts in routed), default=0),
        experts_count=max((experts.count for experts in routed), default=0),
        inner_width=max((attention.heads * attention.head_dim for attention in attends), default=0),
        heads=max((attention.heads for attention in attends), default=0),
        expert_weights=sum(count * _expert_weights(layer, hidden) for layer, count in kinds),
        feed_macs=sum(count * _feed_macs(layer, hidden) for layer, count in kinds),
    )


def quantized(shape: ShapeFacts, weights: Mapping[str, int], read: Mapping[str, int]) -> ModelFacts:
    """Return the facts of a shape whose tensors have these bytes by type, stored and read for one token."""
    repack = 0
    for kind in REPACKED & weights.keys():
        own = shape.hidden * shape.vocabulary if not shape.tied and kind == _embedding_type(weights, read) else 0
        repack += max(0, weights[kind] - int(own * TYPE_BITS[kind] / 8))
    macs = {kind: size * 8 / TYPE_BITS.get(kind, 8.0) for kind, size in read.items() if kind != "F32"}
    weight_bytes = sum(weights.values())
    share = 0.0
    if shape.expert_weights:
        share = shape.expert_weights / sum(size * 8 / TYPE_BITS.get(kind, 8.0) for kind, size in weights.items())
    return ModelFacts(
        shape=shape,
        weights=weights,
        read=read,
        repack_bytes=repack,
        macs=macs,
        expert_bytes=int(weight_bytes * min(1.0, share)),
        weight_bytes=weight_bytes,
        read_bytes=sum(read.values()),
        total_macs=sum(macs.values()),
    )


def model_facts(model: Model) -> ModelFacts:
    """Return the facts of a model whose tensor bytes are known (read from its files, or computed for a quantization).

    Raises UnknownFact when the architecture or the bytes of the weights are not known.
    """
    arch = model.architecture
    if arch is None:
        raise UnknownFact(f"{model.name}: its architecture is not known; `sizewise show {model.name}` says why")
    if not model.tensor_bytes:
        raise UnknownFact(f"{model.name}: the bytes of its tensors are not known; name a file or a quantization")
    shape = shape_facts(arch.family, arch.hidden, arch.vocabulary, arch.tied, Counter(arch.layers).items())
    return quantized(shape, dict(model.tensor_bytes), dict(model.active_tensor_bytes or model.tensor_bytes))


def _embedding_type(weights: Mapping[str, int], read: Mapping[str, int]) -> str:
    """Return the type of an untied input embedding: the one whose bytes shrink most between stored and read."""
    return max(weights, key=lambda kind: weights[kind] - read.get(kind, 0))


def cache_read_bytes(shape: ShapeFacts, depth: float, kv_type: str) -> float:
    """Return the bytes of cache that one decode step reads when `depth` tokens are cached, all layers."""
    total = 0.0
    for group in shape.attention:
        cells = depth if group.window is None else min(depth, group.window)
        total += group.layers * cells * sum(row_bytes(width, kv_type) for width in group.row_elements if width)
    return total


def attention_macs(shape: ShapeFacts, depth: float) -> float:
    """Return the multiply-accumulates of attention for one query with `depth` cached tokens, all layers."""
    return sum(
        group.layers * group.macs_per_cell * (depth if group.window is None else min(depth, group.window))
        for group in shape.attention
    )


def head_cells(shape: ShapeFacts, depth: float) -> float:
    """Return how many (head, cached token) pairs one query visits, all layers."""
    return sum(
        group.layers * group.heads * (depth if group.window is None else min(depth, group.window))
        for group in shape.attention
    )


def cache_rows(shape: ShapeFacts, depth: float) -> float:
    """Return how many (key head, cached token) rows one query fetches, all layers."""
    return sum(
        group.layers * group.kv_heads * (depth if group.window is None else min(depth, group.window))
        for group in shape.attention
    )


def prompt_cells(group: AttentionGroup, start: float, tokens: float) -> float:
    """Return the cells that a prompt of `tokens` after `start` cached ones looks at in one layer, causally."""
    full = tokens * start + tokens * (tokens + 1) / 2
    if group.window is not None and start + tokens > group.window:
        inside = max(0.0, group.window - start)
        full = inside * start + inside * (inside + 1) / 2 + (tokens - inside) * group.window
    return full


def prompt_attention_macs(shape: ShapeFacts, start: float, tokens: float) -> float:
    """Return the multiply-accumulates of attention over a whole prompt, all layers."""
    return sum(group.layers * group.macs_per_cell * prompt_cells(group, start, tokens) for group in shape.attention)


def prompt_head_cells(shape: ShapeFacts, start: float, tokens: float) -> float:
    """Return the (head, cached token) pairs of a whole prompt, all layers."""
    return sum(group.layers * group.heads * prompt_cells(group, start, tokens) for group in shape.attention)


def prompt_cache_rows(shape: ShapeFacts, start: float, tokens: float) -> float:
    """Return the (key head, cached token) rows that a whole prompt fetches, each of its tokens anew, all layers."""
    return sum(group.layers * group.kv_heads * prompt_cells(group, start, tokens) for group in shape.attention)
