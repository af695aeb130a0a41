"""What a numerical check of a statement returns, and the draws that checks share. All in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Check:
    """What became of one statement.

    Attributes:
        cases: how many networks, matrices, actions or kernels were tried.
        residual: the largest violation where the statement says that there is none; 0 at best, rounding in practice.
        witness: the smallest violation where it says that there must be one; None where it says so of nothing.
        quantities: what the paper's claims read, by metric name.
        shown: what a figure draws.
    """

    cases: int
    residual: float
    witness: float | None
    quantities: dict[str, float] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)


def normal(*shape: int, rng: Generator) -> Tensor:
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def invertible(draws: int, m: int, condition: float, rng: Generator) -> Tensor:
    """Gaussian matrices (draws, m, m) with a condition number below `condition`; others are drawn again."""
    w = normal(draws, m, m, rng=rng)
    while (bad := torch.linalg.cond(w) >= condition).any():
        w[bad] = normal(int(bad.sum()), m, m, rng=rng)
    return w


def permutations(draws: int, n: int, rng: Generator) -> Tensor:
    """Uniform permutations (draws, n)."""
    return torch.rand(draws, n, generator=rng, dtype=torch.float64).argsort(1)


def positive(draws: int, n: int, rng: Generator) -> Tensor:
    """Numbers (draws, n) between 1 / e and e, log-uniform: what is excluded stays far from what is not."""
    return (2 * torch.rand(draws, n, generator=rng, dtype=torch.float64) - 1).exp()


def scaled_permutations(draws: int, n: int, rng: Generator) -> Tensor:
    """Matrices PD (draws, n, n): P a permutation, D diagonal and positive."""
    eye = torch.eye(n, dtype=torch.float64)
    return eye[permutations(draws, n, rng)] * positive(draws, n, rng)[:, None]


def worst(*violations: Tensor) -> float:
    """The largest absolute entry."""
    return max(violation.abs().max().item() for violation in violations)


def least(violations: Tensor) -> float:
    """The smallest over cases, the first axis, of each case's largest absolute entry."""
    return violations.abs().flatten(1).amax(1).min().item()
