"""Adam for stacked weights: one fused update for all runs, each with its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam` on leaves (runs, ...), whose moments are (runs, ...) too.

    The weights decay by an L2 term in the gradient, or `decoupled` from it (AdamW); `clip` bounds the norm of each
    run's gradient. By its functional form: the class imports torch's compiler at the first step, 2 s a process.
    """

    def __init__(
        self, leaves: Sequence[Tensor], betas: tuple[float, float], eps: float, decoupled: bool, clip: float | None
    ) -> None:
        self.betas, self.eps, self.decoupled, self.clip = betas, eps, decoupled, clip
        self.moments = [[torch.zeros_like(leaf, requires_grad=False) for leaf in leaves] for _ in betas]

    @torch.no_grad()
    def update(self, leaves: Sequence[Tensor], number: int, rates: Sequence[float], decays: Sequence[float]) -> None:
        """Update `number` (from 1) of the leaves from their gradients; one without a gradient stays as it is."""
        if self.clip is not None:
            _bound([leaf.grad for leaf in leaves if leaf.grad is not None], self.clip)
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
                decoupled_weight_decay=self.decoupled,
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


def _bound(gradients: Sequence[Tensor], clip: float) -> None:
    """Scale each run's gradient (runs, ...) down to the norm `clip`, as `torch.nn.utils.clip_grad_norm_` does it."""
    norms = sum(gradient.flatten(1).square().sum(1) for gradient in gradients).sqrt()
    share = (clip / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))
