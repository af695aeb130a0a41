"""Orbit by affine transforms (nix2022 Section 5, protocol 2.5): `orbit` with matrices that resample volumes.

Stage 1 (`LearnAffineOrbit`) fits a matrix a group element and layer; in stage 2 (`TaughtByAffine`) the student's layers
are laid out as volumes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.models import Network, features
from learned_symmetry.models.orbit_affine import resample, volume_of
from learned_symmetry.objective import Batch, frozen
from learned_symmetry.transfer import orbit


def act(theta: Tensor, layer: str, activation: Tensor) -> Tensor:
    """Activations (b, ...) of a layer, or images, each moved by its own theta (b, 3, 4)."""
    volume = volume_of(layer, activation.shape[1:])
    return resample(theta, activation.reshape(-1, *volume)).reshape(activation.shape)


def hinge(theta: Tensor, margin: float | Tensor, weight: float | Tensor) -> Tensor:
    """Mean over pairs g < h of (weight max(0, margin - d))^2, d the squared distance of unit-length theta_g, theta_h.

    theta is (|G|, 3, 4). Where it is 0, no two elements are alike (nix2022 D36).
    """
    unit = F.normalize(theta.flatten(1), dim=1)
    order = len(unit)
    near = (margin - (2 - 2 * unit @ unit.mT)).relu()
    return (weight * near).square().triu(1).sum() / (order * (order - 1) / 2)


def gap(theta: Tensor, layer: str, still: Tensor, after: Tensor) -> Tensor:
    """Summed squared difference of the moved activations `still` and the activations `after` the input moved."""
    return (act(theta, layer, still) - after).square().sum()


@dataclass(frozen=True)
class LearnAffineOrbit(orbit.Learn):
    """Stage 1 by affine maps, with a cross-entropy beside the other terms (protocol 2.5). The network: `AffineOrbit`.

    With `detach` no gradient reaches the matrices through the moved input (D37), so CE has none at all: it counts in
    the validation loss only. The group term is a hinge (`hinge`; D36).
    """

    ce: float
    layers: tuple[str, ...]
    clamp: bool
    detach: bool
    margin: float
    steepness: float
    order: int = 25

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return orbit.draw_elements(generator, size, self.order)

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        theta, x, g = network(), batch["x"], batch["g"]
        moved = act(theta["input"][g], "input", x)
        seen = moved.clamp(0, 1) if self.clamp else moved
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            both = features(frozen(self.teacher, batch), torch.cat([x, seen]), self.layers)
            still, after = ({layer: z.chunk(2)[half] for layer, z in both.items()} for half in range(2))
            ce = F.cross_entropy(after["logits"], batch["y"])
        gaps = sum(gap(theta[layer][g], layer, still[layer], after[layer]) for layer in after)
        equiv = gaps / sum(z.numel() for z in after.values())
        inv = F.mse_loss(act(theta["input"][(self.order - g) % self.order], "input", moved), x)
        group = hinge(theta["input"], self.margin, self.steepness)
        return self.weighed({"ce": ce, "equiv": equiv, "inv": inv, "group": group})


@dataclass(frozen=True)
class TaughtByAffine(orbit.Teach):
    """Stage 2 by affine maps: the batch brings matrices ``rho.input``, ``rho.LAYER`` (|G|, 3, 4)."""

    clamp: bool
    order: int = 25

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return orbit.draw_elements(generator, size, self.order)

    def move(self, batch: Batch) -> Tensor:
        moved = act(batch["rho.input"][batch["g"]], "input", batch["x"])
        return moved.clamp(0, 1) if self.clamp else moved

    def gap(self, layer: str, seen: Tensor, batch: Batch) -> Tensor:
        return gap(batch[f"rho.{layer}"][batch["g"]], layer, *seen.chunk(2))
