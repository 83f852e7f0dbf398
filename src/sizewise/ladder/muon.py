"""The optimizer: Muon for the matrices, Adam for embedding and norms.

Muon (Jordan et al. 2024) replaces the momentum of a matrix by its nearest semi-orthogonal matrix, found by a few
Newton-Schulz steps. Matrices of one shape are stacked, because tiny ones cost mostly the call.
"""

# mypy: disable-error-code="misc,no-untyped-call,no-any-return,unused-ignore"
# (types are also checked where torch is not installed, and torch leaves parts of itself untyped)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic iteration of the published method."""


def orthogonal(matrices: Tensor) -> Tensor:
    """Return nearly orthogonal matrices (n, rows, columns) with the singular vectors of the input."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and a small weight decay, for 2-D weights."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(list(weights), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes[tuple(weight.shape)].append(weight)
            for shape, weights in shapes.items():
                self._step_shape(shape, weights, group)

    def _step_shape(self, shape: tuple[int, ...], weights: list[nn.Parameter], group: dict[str, float]) -> None:
        directions = []
        for weight in weights:
            momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
            gradient = weight.grad if weight.grad is not None else torch.zeros_like(weight)
            momentum.lerp_(gradient, 1 - group["momentum"])
            directions.append(gradient.lerp(momentum, group["momentum"]))
        updates = orthogonal(torch.stack(directions))
        scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["decay"])
            weight.add_(update, alpha=-scale)


def optimizers(model: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices and Adam for the rest, with `initial_lr` set for the schedule."""
    matrices = [
        w for name, w in model.named_parameters() if w.ndim == 2 and name != "embedding" and "router" not in name
    ]
    chosen = {id(w) for w in matrices}
    others = [w for w in model.parameters() if id(w) not in chosen]
    found = [Muon(matrices, lr=learning_rate), torch.optim.Adam(others, lr=learning_rate / 3, betas=(0.9, 0.95))]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return found
