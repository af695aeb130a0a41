"""Statements on f(x) = W_2 ReLU(W_1 x), in float64; columns of x (inputs, n) are the samples."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from learned_symmetry.theory.check import Check

SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)  # J, of two inputs


def example21(draws: int, rng: Generator) -> Check:
    """Example 2.1: with W_2 = 0 the network is invariant to a swap of its inputs, but no rho_1 makes its layer so.

    W_1 is read as one hidden unit, for which rho_1 is the printed scalar, and as the printed 2 x 2 matrix. In its place
    0 gives the same function, and is equivariant.
    """
    x = torch.randn(2, draws, generator=rng, dtype=torch.float64)
    invariance, residuals, rewritten = 0.0, [], 0.0
    for units in (1, 2):
        w1 = torch.eye(2, dtype=torch.float64)[:units].clone()
        w1[1:] = 0
        w2 = torch.zeros(1, units, dtype=torch.float64)
        invariance = max(invariance, (two_layer(w2, w1, x) - two_layer(w2, w1, SWAP @ x)).abs().max().item())
        residuals.append(layer_residual(w1, SWAP))
        rewritten = max(rewritten, layer_residual(0 * w1, SWAP))
        rewritten = max(rewritten, (two_layer(w2, 0 * w1, x) - two_layer(w2, w1, x)).abs().max().item())
    found = {
        "invariance_violation": invariance,
        "min_layer_residual": min(residuals),
        "rewritten_layer_residual": rewritten,
    }
    return Check(len(residuals), max(invariance, rewritten), min(residuals), found)


def two_layer(w2: Tensor, w1: Tensor, x: Tensor) -> Tensor:
    """f(x) = W_2 ReLU(W_1 x), batched over leading axes."""
    return w2 @ (w1 @ x).relu()


def layer_residual(w: Tensor, rho: Tensor) -> float:
    """The least Frobenius norm of rho_1 w - w rho over all matrices rho_1, for w (units, inputs)."""
    wanted = w @ rho
    return (wanted @ torch.linalg.pinv(w) @ w - wanted).norm().item()
