"""Knowledge distillation (Hinton et al. 2015; nix2022 Section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from learned_symmetry.measure.divergence import divergence
from learned_symmetry.objective import Batch, Transfer


@dataclass(frozen=True)
class KD(Transfer):
    """Match the softened outputs, times T^2 so that the gradient's scale is free of T (nix2022 D13)."""

    temperature: float
    layers: tuple[str, ...] = field(default=("logits",), kw_only=True)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        softened = divergence(teacher["logits"] / self.temperature, student["logits"] / self.temperature)
        return self.temperature**2 * softened.mean()
