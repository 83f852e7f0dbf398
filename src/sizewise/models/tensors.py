"""The weight tensors of an architecture, named and shaped as GGUF files hold them.

One list serves everything: its elements are the parameter counts, its types under a file mix are the file size,
and a sparse file of true shape is this list with holes for data. Shapes are in ggml order: columns (the input
width) first. Not covered: vision and audio towers, multi-token prediction blocks (see `extras.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

from sizewise.errors import UnknownFact
from sizewise.records import Architecture, Attention, Experts, FeedForward, Layer, Recurrent


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One stored tensor; a decode step reads `used / of` of it."""

    name: str
    shape: tuple[int, ...]
    part: str
    """embedding, head, attention, recurrent, feed_forward, experts, norms or other."""
    used: int = 1
    of: int = 1

    @property
    def elements(self) -> int:
        """Number of stored elements."""
        return prod(self.shape)

    @property
    def active_elements(self) -> int:
        """Elements that one token passes through."""
        return self.elements * self.used // self.of


def _bias(name: str, width: int, part: str) -> Tensor:
    return Tensor(name=f"{name}.bias", shape=(width,), part=part)


def _matrix(name: str, columns: int, rows: int, part: str) -> Tensor:
    return Tensor(name=f"{name}.weight", shape=(columns, rows), part=part)


def _latent(attention: Attention, hidden: int) -> Iterator[Tensor]:
    latent = attention.latent
    if latent is None:
        return
    heads, query = attention.heads, attention.heads * (latent.nope_dim + latent.rope_dim)
    if latent.q_rank:
        yield _matrix("attn_q_a", hidden, latent.q_rank, "attention")
        yield Tensor(name="attn_q_a_norm.weight", shape=(latent.q_rank,), part="attention")
        yield _matrix("attn_q_b", latent.q_rank, query, "attention")
    else:
        yield _matrix("attn_q", hidden, query, "attention")
    yield _matrix("attn_kv_a_mqa", hidden, latent.kv_rank + latent.rope_dim, "attention")
    yield Tensor(name="attn_kv_a_norm.weight", shape=(latent.kv_rank,), part="attention")
    yield Tensor(name="attn_k_b.weight", shape=(latent.nope_dim, latent.kv_rank, heads), part="attention")
    yield Tensor(name="attn_v_b.weight", shape=(latent.kv_rank, attention.value_dim, heads), part="attention")
    if attention.indexer:
        indexer = attention.indexer
        yield Tensor(name="indexer.k_norm.weight", shape=(indexer.dim,), part="attention")
        yield _bias("indexer.k_norm", indexer.dim, "attention")
        yield _matrix("indexer.proj", hidden, indexer.heads, "attention")
        yield _matrix("indexer.attn_k", hidden, indexer.dim, "attention")
        yield _matrix("indexer.attn_q_b", latent.q_rank or hidden, indexer.heads * indexer.dim, "attention")


def _projections(attention: Attention, hidden: int) -> Iterator[Tensor]:
    query = attention.heads * attention.head_dim * (2 if attention.output_gate else 1)
    key, value = attention.kv_heads * attention.head_dim, attention.kv_heads * attention.value_dim
    if attention.shares_cache:
        widths = {"attn_q": query}
    elif attention.fused_qkv:
        widths = {"attn_qkv": query + key + value}
    elif attention.keys_are_values:
        widths = {"attn_q": query, "attn_k": key}
    else:
        widths = {"attn_q": query, "attn_k": key, "attn_v": value}
    for name, width in widths.items():
        yield _matrix(name, hidden, width, "attention")
        if attention.qkv_bias:
            yield _bias(name, width, "attention")


def _attention(attention: Attention, hidden: int) -> Iterator[Tensor]:
    yield from _latent(attention, hidden) if attention.latent else _projections(attention, hidden)
    yield _matrix("attn_output", attention.heads * attention.value_dim, hidden, "attention")
    if attention.output_bias:
        yield _bias("attn_output", hidden, "attention")
    if attention.q_norm:
        yield Tensor(name="attn_q_norm.weight", shape=(attention.q_norm,), part="attention")
    if attention.k_norm and not attention.shares_cache:
        yield Tensor(name="attn_k_norm.weight", shape=(attention.k_norm,), part="attention")
    if attention.sinks:
        yield Tensor(name="attn_sinks.weight", shape=(attention.heads,), part="attention")


def _plain(name: str, *shape: int) -> Tensor:
    return Tensor(name=name, shape=shape, part="recurrent")


def _mamba(mixer: Recurrent, hidden: int) -> Iterator[Tensor]:
    yield _plain("ssm_in.weight", hidden, 2 * mixer.inner)
    yield from _convolution(mixer)
    yield _plain("ssm_x.weight", mixer.inner, mixer.dt_rank + 2 * mixer.state_dim)
    yield _plain("ssm_dt.weight", mixer.dt_rank, mixer.inner)
    yield _plain("ssm_dt.bias", mixer.inner)
    yield _plain("ssm_a", mixer.state_dim, mixer.inner)
    yield _plain("ssm_d", mixer.inner)
    yield _plain("ssm_out.weight", mixer.inner, hidden)


def _mamba2(mixer: Recurrent, hidden: int) -> Iterator[Tensor]:
    yield _plain("ssm_in.weight", hidden, 2 * mixer.inner + 2 * mixer.groups * mixer.state_dim + mixer.heads)
    yield from _convolution(mixer)
    yield _plain("ssm_dt.bias", mixer.heads)
    yield _plain("ssm_a", 1, mixer.heads)
    yield _plain("ssm_d", 1, mixer.heads)
    if mixer.norm:
        yield _plain("ssm_norm.weight", mixer.norm // mixer.groups, mixer.groups)
    yield _plain("ssm_out.weight", mixer.inner, hidden)


def _deltanet(mixer: Recurrent, hidden: int) -> Iterator[Tensor]:
    yield _plain("attn_qkv.weight", hidden, mixer.conv_channels)
    yield _plain("attn_gate.weight", hidden, mixer.inner)
    yield from _convolution(mixer)
    yield _plain("ssm_dt.bias", mixer.heads)
    yield _plain("ssm_a", mixer.heads)
    yield _plain("ssm_beta.weight", hidden, mixer.heads)
    yield _plain("ssm_alpha.weight", hidden, mixer.heads)
    yield _plain("ssm_norm.weight", mixer.norm)
    yield _plain("ssm_out.weight", mixer.inner, hidden)


def _short_conv(mixer: Recurrent, hidden: int) -> Iterator[Tensor]:
    yield _plain("shortconv.conv.weight", mixer.conv_kernel, mixer.conv_channels)
    yield _plain("shortconv.in_proj.weight", hidden, 3 * hidden)
    yield _plain("shortconv.out_proj.weight", hidden, hidden)


def _convolution(mixer: Recurrent) -> Iterator[Tensor]:
    yield _plain("ssm_conv1d.weight", mixer.conv_kernel, mixer.conv_channels)
    if mixer.conv_bias:
        yield _plain("ssm_conv1d.bias", mixer.conv_channels)


_MIXERS = {"mamba": _mamba, "mamba2": _mamba2, "deltanet": _deltanet, "short_conv": _short_conv}


def _recurrent(mixer: Recurrent, hidden: int) -> Iterator[Tensor]:
    if mixer.kind not in _MIXERS:
        raise UnknownFact(f"unknown recurrent layer {mixer.kind!r}; known are {', '.join(_MIXERS)}")
    yield from _MIXERS[mixer.kind](mixer, hidden)


def _feed_forward(block: FeedForward, hidden: int) -> Iterator[Tensor]:
    part = "feed_forward"
    up = {"ffn_up": 2 * block.width} if block.gated and block.fused_gate else {"ffn_up": block.width}
    if block.gated and not block.fused_gate:
        up = {"ffn_gate": block.width, **up}
    for name, width in up.items():
        yield _matrix(name, hidden, width, part)
        if block.bias:
            yield _bias(name, width, part)
    yield _matrix("ffn_down", block.width, hidden, part)
    if block.bias:
        yield _bias("ffn_down", hidden, part)


def _routed(block: Experts, hidden: int) -> Iterator[Tensor]:
    outer = block.latent_dim or hidden
    shapes = {"ffn_gate_exps": (outer, block.width), "ffn_up_exps": (outer, block.width)}
    if not block.gated:
        del shapes["ffn_gate_exps"]
    shapes["ffn_down_exps"] = (block.width, outer)
    for name, (columns, rows) in shapes.items():
        shape = (columns, rows, block.count)
        yield Tensor(name=f"{name}.weight", shape=shape, part="experts", used=block.used, of=block.count)
        if block.bias:
            yield Tensor(
                name=f"{name}.bias", shape=(rows, block.count), part="experts", used=block.used, of=block.count
            )


def _experts(block: Experts, hidden: int) -> Iterator[Tensor]:
    yield _matrix("ffn_gate_inp", hidden, block.count, "experts")
    if block.scaled:
        yield Tensor(name="ffn_gate_inp.scale", shape=(hidden,), part="experts")
        yield Tensor(name="ffn_down_exps.scale", shape=(block.count,), part="experts")
    if block.bias:
        yield _bias("ffn_gate_inp", block.count, "experts")
    if block.router_bias:
        yield _bias("exp_probs_b", block.count, "experts")
    yield from _routed(block, hidden)
    if block.latent_dim:
        yield _matrix("ffn_latent_down", hidden, block.latent_dim, "experts")
        yield _matrix("ffn_latent_up", block.latent_dim, hidden, "experts")
    if block.shared_width:
        if block.gated:
            yield _matrix("ffn_gate_shexp", hidden, block.shared_width, "feed_forward")
        yield _matrix("ffn_up_shexp", hidden, block.shared_width, "feed_forward")
        yield _matrix("ffn_down_shexp", block.shared_width, hidden, "feed_forward")
        if block.shared_gate:
            yield Tensor(name="ffn_gate_inp_shexp.weight", shape=(hidden,), part="feed_forward")


def layer_tensors(arch: Architecture, layer: Layer) -> tuple[Tensor, ...]:
    """Return the tensors of one block of `arch`, names without the "blk.N." prefix."""
    return _layer(layer, arch.hidden, arch.norm_weight, arch.norm_bias, arch.layer_embedding_dim)


@lru_cache(maxsize=512)
def _layer(layer: Layer, hidden: int, norm_weight: bool, norm_bias: bool, layer_dim: int) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    for name in layer.norms:
        if norm_weight:
            found.append(Tensor(name=f"{name}.weight", shape=(hidden,), part="norms"))
        if norm_bias:
            found.append(_bias(name, hidden, "norms"))
    if layer.attention:
        found.extend(_attention(layer.attention, hidden))
    if layer.recurrent:
        found.extend(_recurrent(layer.recurrent, hidden))
    if layer.feed_forward:
        found.extend(_feed_forward(layer.feed_forward, hidden))
    if layer.experts:
        found.extend(_experts(layer.experts, hidden))
    if layer_dim:
        found.append(_matrix("inp_gate", hidden, layer_dim, "other"))
        found.append(_matrix("proj", layer_dim, hidden, "other"))
        found.append(Tensor(name="post_norm.weight", shape=(hidden,), part="norms"))
    if layer.scalars:
        found.append(Tensor(name="layer_scalars", shape=(layer.scalars,), part="other"))
    return tuple(found)


def outer_tensors(arch: Architecture) -> Iterator[Tensor]:
    """Yield the tensors outside the blocks: embeddings, final norm, head."""
    yield Tensor(name="token_embd.weight", shape=(arch.hidden, arch.vocabulary), part="embedding")
    if arch.positions:
        yield Tensor(name="position_embd.weight", shape=(arch.hidden, arch.positions), part="embedding")
    if arch.embedding_norm:
        yield Tensor(name="token_embd_norm.weight", shape=(arch.hidden,), part="norms")
        if arch.norm_bias:
            yield _bias("token_embd_norm", arch.hidden, "norms")
    if arch.layer_embedding_dim:
        width = arch.layer_embedding_dim * len(arch.layers)
        shape = (width, arch.layer_embedding_vocabulary)
        yield Tensor(name="per_layer_token_embd.weight", shape=shape, part="embedding")
        yield _matrix("per_layer_model_proj", arch.hidden, width, "other")
        yield Tensor(name="per_layer_proj_norm.weight", shape=(arch.layer_embedding_dim,), part="norms")
    if arch.final_norm and arch.norm_weight:
        yield Tensor(name="output_norm.weight", shape=(arch.hidden,), part="norms")
    if arch.final_norm and arch.norm_bias:
        yield _bias("output_norm", arch.hidden, "norms")
    if not arch.tied:
        yield Tensor(name="output.weight", shape=(arch.hidden, arch.vocabulary), part="head")
    if arch.head_bias:
        yield _bias("output", arch.vocabulary, "head")


def tensors(arch: Architecture) -> list[Tensor]:
    """Return every weight tensor of the language model, in file order (outer ones first).

    >>> from sizewise.records import Attention, FeedForward, Layer
    >>> block = Layer(attention=Attention(heads=2, kv_heads=1, head_dim=4, value_dim=4),
    ...               feed_forward=FeedForward(width=16))
    >>> arch = Architecture(family="llama", hidden=8, vocabulary=32, layers=(block,), tied=True)
    >>> [tensor.name for tensor in tensors(arch)][:3]
    ['token_embd.weight', 'output_norm.weight', 'blk.0.attn_norm.weight']
    """
    found = list(outer_tensors(arch))
    for index, layer in enumerate(arch.layers):
        for tensor in layer_tensors(arch, layer):
            found.append(replace(tensor, name=f"blk.{index}.{tensor.name}"))
    return found
