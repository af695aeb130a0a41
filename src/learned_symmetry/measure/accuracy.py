"""The share of right answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, chunk: int = 1000) -> float:
    """Share of inputs x (n, ...) whose largest logit is that of label y (n,), in [0, 1]."""
    right = sum(
        (model(part).argmax(-1) == labels).sum().item()
        for part, labels in zip(x.split(chunk), y.split(chunk), strict=True)
    )
    return right / len(y)
