"""Adam (Kingma and Ba 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from learned_symmetry.optimiser import Moments, Optimiser


@dataclass(frozen=True)
class Adam(Optimiser):
    """`torch.optim.Adam`: the weights decay by an L2 term in the gradient, or `decoupled` from it (AdamW)."""

    betas: tuple[float, float]
    eps: float
    decoupled: bool = False

    def moments(self, leaves: Sequence[Tensor]) -> Moments:
        return [[torch.zeros_like(leaf, requires_grad=False) for leaf in leaves] for _ in self.betas]

    def step(self, tensors: list[list[Tensor]], number: int, rate: float, decay: float) -> None:
        weights = tensors[0]
        adam(
            *tensors,
            max_exp_avg_sqs=[],
            state_steps=list(torch.full((len(weights),), number - 1.0, device=weights[0].device)),  # it counts them up
            fused=True,
            decoupled_weight_decay=self.decoupled,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=decay,
            eps=self.eps,
            maximize=False,
        )
