"""How sensitive a network is to its input: the Jacobian's largest singular value (Moskalev et al. 2023, Fig. 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import vjp, vmap


def jacobian_norms(model: nn.Module, x: Tensor, chunk: int = 100) -> Tensor:
    """The largest singular value of d logits / d x at each input x (n, ...): (n,).

    Inputs of a batch must not mix in the model (`model.eval()`). All rows of all Jacobians come from one pull-back of
    the whole batch, vectorised over the k logits; the norm is that of the k x k products J J^T.
    """
    return torch.cat([_norms(model, part) for part in x.split(chunk)])


def jacobian_norm(model: nn.Module, x: Tensor, chunk: int = 100) -> float:
    """The mean of `jacobian_norms` over inputs x (n, ...)."""
    return jacobian_norms(model, x, chunk).mean().item()


def _norms(model: nn.Module, x: Tensor) -> Tensor:
    logits, pull = vjp(model, x)
    rows = torch.eye(logits.shape[1], dtype=logits.dtype, device=logits.device)
    (jacobian,) = vmap(lambda row: pull(row.expand_as(logits)))(rows)  # (k, n, ...)
    jacobian = jacobian.flatten(2).transpose(0, 1).detach()
    return torch.linalg.eigvalsh(jacobian @ jacobian.mT)[:, -1].clamp(min=0).sqrt()
