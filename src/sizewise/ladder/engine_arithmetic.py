"""The rounding of an F16 file in llama.cpp on a CPU, done by torch: so that answers can be compared greedily.

Where a model hardly prefers one byte to another, the last bits decide. Matrices, activations, queries, keys and
values are rounded to F16 and sums stay float32; with `exact`, attention also adds up its values in F16, one key
after the other, as ggml's flash attention for one query does (ggml/src/ggml-cpu/ops.cpp). Not covered: the order
of additions inside a product.
"""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed, and torch leaves parts of itself untyped)

from __future__ import annotations

import torch
from torch import Tensor, nn

from sizewise.ladder.network import Attention, FeedForward, Llama, attend


def to_f16(model: Llama, *, exact: bool = False) -> Llama:
    """Return the same model, changed to compute as its F16 file does; `exact` is slow and for comparisons."""
    for name, weight in model.named_parameters():
        if "router" not in name:
            weight.data = weight.data.half().float()
    for module in model.modules():
        if isinstance(module, Attention):
            module.attend = _attend_exact if exact else _attend_rounded
            module.register_forward_pre_hook(_round_first)
            module.o.register_forward_pre_hook(_round_first)
        elif isinstance(module, FeedForward):
            module.register_forward_pre_hook(_round_first)
            module.down.register_forward_pre_hook(_round_first)
    return model


def _round_first(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return inputs[0].half().float(), *inputs[1:]


def _attend_rounded(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q.half().float(), k.half().float(), v.half().float())


def _attend_exact(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return attention over keys in order, with a running maximum and the weighted values summed in F16."""
    q, k, v = q.half().float(), k.half().float(), v.half().float()
    length = q.shape[2]
    scores = (q @ k.mT) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), -torch.inf)
    values = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=torch.float16)
    total = torch.zeros(q.shape[:-1])
    largest = scores[..., 0]
    for key in range(length):
        score = scores[..., key]
        higher = torch.maximum(largest, score)
        shrink, weight = (largest - higher).exp(), (score - higher).exp()
        if key:
            values = (values.float() * shrink[..., None]).half()
        values = (values.float() + v[:, :, key : key + 1] * weight[..., None]).half()
        total, largest = total * shrink + weight, higher
    return values.float() / total[..., None]
