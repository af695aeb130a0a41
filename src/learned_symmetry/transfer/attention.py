"""Attention transfer (Zagoruyko and Komodakis 2017; nix2022 Section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.objective import Batch, Transfer


def attention_map(activation: Tensor, positions: int, exponent: float | Tensor) -> Tensor:
    """Sum over channels of |z|^exponent, at unit length: (b, channels * positions) -> (b, positions)."""
    energy = activation.reshape(activation.shape[0], -1, positions).abs().pow(exponent).sum(1)
    return F.normalize(energy, dim=-1)


@dataclass(frozen=True)
class Attention(Transfer):
    """Match where in the signal the hidden layers are active, whatever the channel.

    The paper sums |z|, the authors' code z^2; the exponent is a parameter (nix2022 D14).
    """

    exponent: float
    layers: ClassVar[tuple[str, ...]] = ("layer1", "layer2")

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        def gap(name: str) -> Tensor:
            positions = teacher[name].shape[-1]
            maps = (attention_map(side[name], positions, self.exponent) for side in (student, teacher))
            return F.mse_loss(*maps)

        return sum(gap(name) for name in self.layers)
