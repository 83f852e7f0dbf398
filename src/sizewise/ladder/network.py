"""The Llama architecture in torch, as small as it can be said; dense or with experts.

Not covered: a key-value cache, dropout, anything that large models need. Generation lives in `measure.py`.
"""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed, and torch leaves parts of itself untyped)

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sizewise.ladder.recipe import NORM_EPSILON, VOCABULARY, Shape


class UnitNorm(torch.autograd.Function):
    """RMSNorm without a gain, as one node: torch's own is a chain of small operations on a CPU."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        """Return x divided by the root of its mean square over the last dimension."""
        inverse = x.square().mean(dim=-1, keepdim=True).add_(NORM_EPSILON).rsqrt_()
        y = x * inverse
        context.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        """Return the gradient with respect to x."""
        y, inverse = context.saved_tensors
        along = (gradient * y).mean(dim=-1, keepdim=True)
        return torch.addcmul(gradient, y, along, value=-1).mul_(inverse)


def norm(x: Tensor) -> Tensor:
    """Return the RMSNorm of x (..., width); all gains are 1, and the file says so."""
    y: Tensor = UnitNorm.apply(x)  # type: ignore[no-untyped-call]
    return y


def turns(length: int, head_dim: int, base: float) -> Tensor:
    """Return the rotary embedding as complex numbers (length, 1, head_dim / 2)."""
    frequencies = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    return torch.polar(torch.ones_like(angles), angles)[:, None, :]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return causal attention for q, k, v (batch, heads, length, head_dim)."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Attention(nn.Module):
    """Causal attention with rotary positions (neighbouring pairs) and shared key-value heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attend = attend
        self.q = nn.Linear(shape.width, shape.heads * shape.head_dim, bias=False)
        self.k = nn.Linear(shape.width, shape.kv_heads * shape.head_dim, bias=False)
        self.v = nn.Linear(shape.width, shape.kv_heads * shape.head_dim, bias=False)
        self.o = nn.Linear(shape.heads * shape.head_dim, shape.width, bias=False)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """Return the attention output for x (batch, length, width)."""
        batch, length, _ = x.shape
        heads, shared, dim = self.shape.heads, self.shape.kv_heads, self.shape.head_dim
        mixed = F.linear(x, torch.cat((self.q.weight, self.k.weight, self.v.weight)))
        qk, v = mixed.view(batch, length, -1, dim).split((heads + shared, shared), dim=2)
        pairs = torch.view_as_complex(qk.reshape(batch, length, heads + shared, dim // 2, 2))
        qk = torch.view_as_real(pairs * turn).flatten(3)
        q, k = qk.transpose(1, 2).split((heads, shared), dim=1)
        k = k.repeat_interleave(heads // shared, dim=1)
        v = v.transpose(1, 2).repeat_interleave(heads // shared, dim=1)
        y = self.attend(q, k, v)
        return self.o(y.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for x (..., width)."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    """Several SwiGLU blocks; each token uses the best few, weighted by a softmax over those (Mixtral's rule)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.used = shape.experts_used
        self.router = nn.Linear(shape.width, shape.experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(shape) for _ in range(shape.experts))
        self.balance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Return the mix for x (..., width); `balance` holds the load-balancing loss of this pass."""
        flat = x.reshape(-1, x.shape[-1])
        probabilities = self.router(flat).float().softmax(dim=-1)
        weights, chosen = probabilities.topk(self.used, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        out = torch.zeros_like(flat)
        shares = []
        for number, expert in enumerate(self.experts):
            rows, slots = (chosen == number).nonzero(as_tuple=True)
            shares.append(rows.numel() / flat.shape[0])
            part = expert(flat[rows]) * weights[rows, slots, None].to(flat.dtype)
            out = out.index_add(0, rows, part.to(out.dtype))
        self.balance = (probabilities.mean(dim=0) * torch.tensor(shares)).sum() * len(self.experts)
        return out.view_as(x)


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and around a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.feed: nn.Module = Experts(shape) if shape.experts else FeedForward(shape)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """Return the layer's output for x (batch, length, width)."""
        x = x + self.attention(norm(x), turn)
        return x + self.feed(norm(x))


class Llama(nn.Module):
    """The whole model: bytes in, logits over the next byte out; the embedding is also the output matrix."""

    def __init__(self, shape: Shape, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.empty(VOCABULARY, shape.width))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.initialise(generator)

    def initialise(self, generator: torch.Generator | None) -> None:
        """Draw the weights: scaled normal, zero for what writes into the residual stream."""
        nn.init.normal_(self.embedding, std=self.shape.width**-0.5, generator=generator)
        for name, weight in self.named_parameters():
            if name.endswith(("o.weight", "down.weight")):
                nn.init.zeros_(weight)
            elif name != "embedding":
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5, generator=generator)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the last hidden states (batch, length, width) for tokens (batch, length)."""
        x = F.embedding(tokens, self.embedding)
        turn = turns(tokens.shape[1], self.shape.head_dim, self.shape.rope_base)
        for layer in self.layers:
            x = layer(x, turn)
        return norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., 256) of hidden states."""
        return F.linear(hidden, self.embedding)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (batch, length, 256) for tokens (batch, length)."""
        return self.logits(self.hidden(tokens))
