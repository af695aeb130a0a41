"""How gradients change the weights of stacked runs: one fused update for all, each with its own rate and decay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Moments = list[list[Tensor]]  # by kind and leaf, each (runs, ...): what is kept from one update to the next


@dataclass(frozen=True, kw_only=True)
class Optimiser(ABC):
    """An optimiser of leaves (runs, ...); `clip` bounds the norm of each run's gradient before the update.

    By PyTorch's functional forms: its classes import the compiler at their first step, 2 s a process.
    """

    clip: float | None = None

    @abstractmethod
    def moments(self, leaves: Sequence[Tensor]) -> Moments:
        """Those before the first update."""

    @abstractmethod
    def step(self, tensors: list[list[Tensor]], number: int, rate: float, decay: float) -> None:
        """Update weights in place: lists of weights, gradients and each kind of moments, of equal lengths."""

    @torch.no_grad()
    def update(
        self, leaves: Sequence[Tensor], moments: Moments, number: int, rates: Sequence[float], decays: Sequence[float]
    ) -> None:
        """Update `number` (from 1) of the leaves from their gradients; one without a gradient stays as it is.

        `rates` and `decays` (weight decay) are those of the runs.
        """
        used = [place for place, leaf in enumerate(leaves) if leaf.grad is not None]
        gradients = [leaves[place].grad for place in used]
        if self.clip is not None:
            _bound(gradients, self.clip)
        tensors = [[leaves[place] for place in used], gradients, *([kind[place] for place in used] for kind in moments)]
        settings = list(zip(rates, decays, strict=True))
        if len(set(settings)) == 1:
            self.step(tensors, number, *settings[0])
            return
        for run, setting in enumerate(settings):
            self.step([[tensor[run] for tensor in group] for group in tensors], number, *setting)


def _bound(gradients: Sequence[Tensor], clip: float) -> None:
    """Scale each run's gradient (runs, ...) down to the norm `clip`, as `torch.nn.utils.clip_grad_norm_` does it."""
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    share = (clip / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))
