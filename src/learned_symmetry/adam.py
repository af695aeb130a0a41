"""Adam for stacked weights: one fused update for all runs, each with its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam` with L2 weight decay on leaves (runs, ...), whose moments are (runs, ...) too.

    By its functional form: the class imports torch's compiler at the first step, 2 s a process.
    """

    def __init__(self, leaves: Sequence[Tensor], betas: tuple[float, float], eps: float) -> None:
        self.betas, self.eps = betas, eps
        self.moments = [[torch.zeros_like(leaf, requires_grad=False) for leaf in leaves] for _ in betas]

    @torch.no_grad()
    def update(self, leaves: Sequence[Tensor], number: int, rates: Sequence[float], decays: Sequence[float]) -> None:
        """Update `number` (from 1) of the leaves from their gradients; one without a gradient stays as it is."""
        used = [place for place, leaf in enumerate(leaves) if leaf.grad is not None]
        tensors = [
            [leaves[place] for place in used],
            [leaves[place].grad for place in used],
            *([moment[place] for place in used] for moment in self.moments),
        ]
        alike = len({*zip(rates, decays, strict=True)}) == 1
        for run, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
            adam(
                *(tensors if alike else [[tensor[run] for tensor in group] for group in tensors]),
                max_exp_avg_sqs=[],
                state_steps=list(torch.full((len(used),), number - 1.0, device=leaves[0].device)),  # it counts them up
                fused=True,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=rate,
                weight_decay=decay,
                eps=self.eps,
                maximize=False,
            )
            if alike:
                return
