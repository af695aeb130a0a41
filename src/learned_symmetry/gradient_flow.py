"""The gradient flow of a linear network on the logit invariance error (Moskalev et al. 2023, Proposition 3.1).

W (k, d) maps an input to logits; the rows of eps (s, d) are x - gx of s inputs. LI = |W eps^T|^2 / 2s has the gradient
W Sigma with Sigma = eps^T eps / s, so the flow is W(t) = W(0) exp(-Sigma t). All functions take leading batch axes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def error(w: Tensor, eps: Tensor) -> Tensor:
    """LI of W: mean over inputs of half the squared distance of f(x) and f(gx)."""
    return (w @ eps.mT).square().sum((-2, -1)) / 2 / eps.shape[-2]


def gradient(w: Tensor, eps: Tensor) -> Tensor:
    """W Sigma, without forming Sigma."""
    return (w @ eps.mT) @ eps / eps.shape[-2]


def spectrum(eps: Tensor) -> tuple[Tensor, Tensor]:
    """Non-zero eigenvalues (..., r) of Sigma, descending, and their eigenvectors (..., r, d), padded by zeros."""
    _, values, vectors = torch.linalg.svd(eps / eps.shape[-2] ** 0.5, full_matrices=False)
    kept = values > values[..., :1] * 1e-10
    return values.square() * kept, vectors * kept.unsqueeze(-1)


def flow(w: Tensor, eps: Tensor, t: float | Tensor) -> Tensor:
    """W(t) in closed form; t a number or one a batch entry. At t = inf it is W(0) P, P the projector on ker Sigma."""
    values, vectors = spectrum(eps)
    t = torch.as_tensor(t, dtype=w.dtype)
    lost = torch.where(values > 0, -torch.expm1(-values * t.unsqueeze(-1)), 0.0)
    return w - (w @ vectors.mT * lost.unsqueeze(-2)) @ vectors


def descend(w: Tensor, eps: Tensor, rate: Tensor, steps: int) -> Tensor:
    """W after `steps` steps of gradient descent with rates (...,).

    Every gradient's rows lie in the span of eps, so the steps are made in coordinates of that span.
    """
    _, _, basis = torch.linalg.svd(eps, full_matrices=False)
    start = inside = w @ basis.mT
    eps, rate = eps @ basis.mT, rate[..., None, None]
    for _ in range(steps):
        inside = inside - rate * gradient(inside, eps)
    return w + (inside - start) @ basis
