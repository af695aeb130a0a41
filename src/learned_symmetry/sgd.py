"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from learned_symmetry.optimiser import Moments, Optimiser


@dataclass(frozen=True)
class SGD(Optimiser):
    """`torch.optim.SGD` with momentum, without dampening; the weights decay by an L2 term in the gradient."""

    momentum: float
    nesterov: bool = False

    def moments(self, leaves: Sequence[Tensor]) -> Moments:
        return [[torch.zeros_like(leaf, requires_grad=False) for leaf in leaves]]  # its first step: 0 * momentum + g

    def step(self, tensors: list[list[Tensor]], number: int, rate: float, decay: float) -> None:
        sgd(
            *tensors,
            fused=True,
            weight_decay=decay,
            momentum=self.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )
