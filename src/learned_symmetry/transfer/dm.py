"""Direct matching of hidden activations, one to one (nix2022 Section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.measure.divergence import divergence
from learned_symmetry.objective import Batch, Transfer


@dataclass(frozen=True)
class DirectMatching(Transfer):
    """Mean squared difference of both hidden layers, channel-major, plus a KL term on the logits.

    The KL term is a mean over classes too and has no T^2, as in the authors' code (nix2022 D13).
    """

    temperature: float
    layers: tuple[str, ...] = field(default=("layer1", "layer2", "logits"), kw_only=True)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        hidden = sum(F.mse_loss(student[name].flatten(1), teacher[name].flatten(1)) for name in self.layers[:-1])
        softened = divergence(teacher["logits"] / self.temperature, student["logits"] / self.temperature)
        return hidden + softened.mean() / teacher["logits"].shape[-1]
