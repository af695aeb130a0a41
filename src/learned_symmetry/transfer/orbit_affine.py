"""Orbit by affine transforms (nix2022 Section 5, protocol 2.5): `orbit_images` with matrices that resample volumes.

Stage 1 (`LearnAffineOrbit`) fits a matrix a group element and layer to a frozen teacher; stage 2 (`TaughtByAffine`)
trains the student so that its layers, laid out as volumes, commute with those matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network, features
from learned_symmetry.models.orbit_affine import resample, volume_of
from learned_symmetry.objective import Batch, Objective, Transfer, frozen


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
class LearnAffineOrbit(Objective):
    """Stage 1: g_ce CE + g_equiv L_equiv + g_inv L_inv + g_group L_group (nix2022 Eqs. 4 and 5; protocol 2.5).

    The network is an `AffineOrbit`. With `detach` no gradient reaches the matrices through the moved input (D37), so CE
    has none at all: it counts in the validation loss only. The group term is a hinge (`hinge`; D36).
    """

    teacher: nn.Module
    layers: tuple[str, ...]
    clamp: bool
    detach: bool
    margin: float
    steepness: float
    ce: float
    equiv: float
    inv: float
    group: float
    order: int = 25
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"g": torch.randint(self.order, (size,), generator=generator)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        theta, x, g = network(), batch["x"], batch["g"]
        moved = act(theta["input"][g], "input", x)
        seen = moved.clamp(0, 1) if self.clamp else moved
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            both = features(frozen(self.teacher, batch), torch.cat([x, seen]), self.layers)
            still, after = ({name: z.split(len(x))[side] for name, z in both.items()} for side in (0, 1))
            ce = F.cross_entropy(after["logits"], batch["y"])
        gaps = sum(gap(theta[layer][g], layer, still[layer], after[layer]) for layer in after)
        equiv = gaps / sum(z.numel() for z in after.values())
        inv = F.mse_loss(act(theta["input"][(self.order - g) % self.order], "input", moved), x)
        group = hinge(theta["input"], self.margin, self.steepness)
        total = self.ce * ce + self.equiv * equiv + self.inv * inv + self.group * group
        return {"ce": ce, "equiv": equiv, "inv": inv, "group": group, "total": total}


@dataclass(frozen=True)
class TaughtByAffine(Transfer):
    """Stage 2: Omega = mse(rho_g Psi_l(x), Psi_l(rho_g x)) over all layers' features + CE(Psi(rho_g x), y).

    The batch brings the frozen matrices ``rho.input``, ``rho.LAYER`` (|G|, 3, 4).
    """

    clamp: bool
    order: int = 25
    passes: ClassVar[int] = 2
    compares: ClassVar[bool] = False

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"g": torch.randint(self.order, (size,), generator=generator)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, g = batch["x"], batch["g"]
        moved = act(batch["rho.input"][g], "input", x)
        both = features(network, torch.cat([x, moved.clamp(0, 1) if self.clamp else moved]), self.layers)
        still, after = ({name: z.split(len(x))[side] for name, z in both.items()} for side in (0, 1))
        gaps = sum(gap(batch[f"rho.{layer}"][g], layer, still[layer], after[layer]) for layer in after)
        match = gaps / sum(z.numel() for z in after.values())
        augmented = F.cross_entropy(after["logits"], batch["y"])
        task = F.cross_entropy(still["logits"], batch["y"])
        total = (1 - self.gamma) * task + self.gamma * (match + augmented)
        return {"task": task, "match": match, "augmented": augmented, "total": total}
