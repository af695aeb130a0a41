"""The straight line between two networks, and what is lost on it."""

from __future__ import annotations

import copy

import torch
from torch import nn


@torch.no_grad()
def averaged(first: nn.Module, second: nn.Module, alpha: float = 0.5) -> nn.Module:
    """A network with the state (1 - alpha) first + alpha second, running statistics too; counts are the first's."""
    made = copy.deepcopy(first)
    other = second.state_dict()
    for name, tensor in made.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(other[name], alpha)
    return made


def relative_barrier(first: float, second: float, between: float) -> float:
    """Eq. 4: the share of the endpoints' mean accuracy that the network between them has lost; may be negative."""
    return absolute_barrier(first, second, between) / ((first + second) / 2)


def absolute_barrier(first: float, second: float, between: float) -> float:
    """The numerator of eq. 4."""
    return (first + second) / 2 - between
