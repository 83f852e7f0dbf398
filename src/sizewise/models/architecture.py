"""Architecture -> parameter counts, exactly; pure arithmetic on records.

Not covered: what a published total may contain besides the language model (`extras.py` names and computes that).
"""

from __future__ import annotations

from collections import Counter

from sizewise.models.tensors import Tensor, layer_tensors, outer_tensors
from sizewise.records import Architecture, ParameterCounts


def count_parameters(arch: Architecture, extras: dict[str, int] | None = None) -> ParameterCounts:
    """Return the parameters of the language model by part; `extras` are passed through, never added to the total.

    Active counts take `used` of the routed experts, their router and everything dense. Two conventions exist for
    the embedding: `active` holds the whole table, `active_without_embedding` only what a decode step reads, so a
    table that is also the output head stays in.

    >>> from sizewise.records import Attention, FeedForward, Layer
    >>> block = Layer(attention=Attention(heads=2, kv_heads=1, head_dim=4, value_dim=4),
    ...               feed_forward=FeedForward(width=16))
    >>> arch = Architecture(family="llama", hidden=8, vocabulary=32, layers=(block, block), tied=True)
    >>> count_parameters(arch).total  # 256 + 8 + 2 (16 + 192 + 384)
    1448
    """
    total: Counter[str] = Counter()
    active = 0
    for tensor, times in _distinct(arch):
        total[tensor.part] += times * tensor.elements
        active += times * tensor.active_elements
    tables = total["embedding"] - (arch.hidden * arch.vocabulary if arch.tied else 0)
    return ParameterCounts(
        total=sum(total.values()),
        active=active,
        active_without_embedding=active - tables,
        embedding=total["embedding"],
        head=total["head"],
        attention=total["attention"],
        recurrent=total["recurrent"],
        feed_forward=total["feed_forward"],
        experts=total["experts"],
        norms=total["norms"],
        other=total["other"],
        extras=dict(extras or {}),
    )


def _distinct(arch: Architecture) -> list[tuple[Tensor, int]]:
    """Return tensors with how often each occurs: equal blocks are counted once and multiplied."""
    found = [(tensor, 1) for tensor in outer_tensors(arch)]
    for layer, times in Counter(arch.layers).items():
        found.extend((tensor, times) for tensor in layer_tensors(arch, layer))
    return found
