"""Knowledge distillation (Hinton et al. 2015; nix2022 Section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.objective import Batch, Transfer


def softened_kl(student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)) of logits (b, k): summed over classes, mean over the batch."""
    log_p = F.log_softmax(teacher / temperature, -1)
    log_q = F.log_softmax(student / temperature, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


@dataclass(frozen=True)
class KD(Transfer):
    """Match the softened outputs, times T^2 so that the gradient's scale is free of T (nix2022 D13)."""

    temperature: float
    layers: ClassVar[tuple[str, ...]] = ("logits",)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        return self.temperature**2 * softened_kl(student["logits"], teacher["logits"], self.temperature)
