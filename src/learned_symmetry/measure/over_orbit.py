"""The mean over inputs and group elements that errors of invariance share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from learned_symmetry.groups import Group

Function = Callable[[Tensor], Tensor]


@torch.no_grad()
def mean_over_orbit(
    model: Function, x: Tensor, group: Group, error: Callable[[Tensor, Tensor], Tensor], chunk: int = 1000
) -> float:
    """Mean of error(f(x), f(gx)), one number (n,) an input, over inputs x (n, ...) and elements g but the identity."""
    total = 0.0
    for part in x.split(chunk):
        still = model(part)
        for g in range(1, group.order):
            total += error(still, model(group.act(part, g))).double().sum().item()
    return total / len(x) / (group.order - 1)
