"""Attention transfer (Zagoruyko and Komodakis 2017; nix2022 Section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.layout import as_maps, as_signal
from learned_symmetry.objective import Batch, Transfer


def energy(activation: Tensor, exponent: float | Tensor) -> Tensor:
    """Sum over channels of |z|^exponent: (b, c, *space) -> (b, *space)."""
    return activation.abs().pow(exponent).sum(1)


def unit(energies: Tensor) -> Tensor:
    """(b, *space) -> (b, positions), each example at unit length."""
    return F.normalize(energies.flatten(1), dim=1)


@dataclass(frozen=True)
class Attention(Transfer):
    """Match where in the signal or image the hidden layers are active, whatever the channel.

    The paper sums |z|, the authors' code z^2; the exponent is a parameter (nix2022 D14). A student's vector is seen as
    channels of the teacher's positions, or of a square where those are not as many; then the teacher's map is resized
    to that by nearest neighbours (protocol 2.2).
    """

    exponent: float
    layers: tuple[str, ...] = field(default=("layer1", "layer2"), kw_only=True)

    def digest(self, activation: Tensor) -> Tensor:
        return energy(activation.flatten(1, -3) if activation.dim() > 4 else activation, self.exponent)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        def gap(name: str) -> Tensor:
            theirs = teacher[name]
            if theirs.dim() == 2:
                return F.mse_loss(unit(energy(as_signal(student[name], theirs.shape[-1]), self.exponent)), unit(theirs))
            ours = energy(as_maps(student[name]), self.exponent)
            return F.mse_loss(unit(ours), unit(F.interpolate(theirs.unsqueeze(1), size=ours.shape[-2:])))

        return sum(gap(name) for name in self.layers)
