"""Training with a loss on how much a network's logits change where its input is mirrored (bokman2023, Section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.groups import Flip
from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, CrossEntropy


@dataclass(frozen=True)
class FlipInvariance(CrossEntropy):
    """Cross-entropy + `weight` times the mean over images of |f(x) - f(flipped x)|, Euclidean and not squared.

    The cross-entropy is of x only; the gradient goes through both passes, which are one. Before step `start` there is
    no second pass, and the loss is the cross-entropy.
    """

    weight: float
    start: int = 0  # steps

    def at(self, step: int) -> CrossEntropy:
        return self if step >= self.start else CrossEntropy()

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x = batch["x"]
        logits, mirrored = network(torch.cat([x, Flip().act(x, 1)])).chunk(2)
        task = F.cross_entropy(logits, batch["y"])
        error = norm(logits - mirrored).mean()
        return {"task": task, "invariance": error, "total": task + self.weight * error}


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis, with gradient 0 at 0, where a network is invariant already."""
    square = x.square().sum(-1)
    zero = square == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())
