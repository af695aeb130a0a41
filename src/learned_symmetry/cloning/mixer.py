"""MLP-Mixers that clone convolutions of several channels (huang2024 2.5).

A true layer is linear in its kernel: of each channel pair a weighted sum of `basis` filters, for "t2" the nine entries
of a 3 x 3 filter, for "so2" three rings of a 5 x 5 one, which are all that an SO(2)-steerable layer between scalar
fields can have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import models
from learned_symmetry.cloning.clone import TURNS, patches
from learned_symmetry.cloning.objective import generator_on
from learned_symmetry.config.huang2024 import Huang2024, Measured
from learned_symmetry.fit import Run
from learned_symmetry.measure.equivariance_error import relative_error, translation_error, turning_error
from learned_symmetry.models import Network
from learned_symmetry.models.mixer import KernelMixer
from learned_symmetry.objective import Batch, Objective
from learned_symmetry.rng import generator

Target = Literal["t2", "so2"]
SIDE = {"t2": 3, "so2": 5}  # of a filter
VALIDATED = 20  # images a kernel behind a point of a mixer's curve
RINGS = ((0.0, 0.005), (1.0, 0.6), (2.0, 0.4))  # radius and width in pixels (escnn's R2Conv by default)


def basis(target: Target) -> Tensor:
    """The filters that kernels weigh, (entries, side²); rings are Gaussians of the radius, of norm 1."""
    side = SIDE[target]
    if target == "t2":
        return torch.eye(side**2)
    line = torch.arange(side) - (side - 1) / 2
    radius = torch.hypot(line.unsqueeze(1), line)
    return torch.stack([F.normalize((-((radius - r) ** 2) / (2 * w**2)).exp().flatten(), dim=0) for r, w in RINGS])


def true_layer(target: Target, x: Tensor, kernels: Tensor) -> Tensor:
    """Images (..., i, c, h, h) under kernels (..., entries, c²): (..., i, c, m, m) with m = h + 1 - side."""
    channels = x.shape[-3]
    filtered = basis(target).to(x) @ patches(x, SIDE[target])  # (..., i, c, entries, m²)
    out = torch.einsum("...poc,...icpm->...iom", kernels.unflatten(-1, (channels, channels)), filtered)
    return out.unflatten(-1, (x.shape[-1] + 1 - SIDE[target],) * 2)


def mixer(target: Target, channels: int, size: int, seed: int) -> KernelMixer:
    """An untrained mixer for that layer on size x size images."""
    return models.seeded(
        lambda: KernelMixer(channels, size, size + 1 - SIDE[target], len(basis(target))),
        generator(seed, "mixer", target),
    )


@dataclass(frozen=True)
class MixerLoss(Objective):
    """Mean squared error on standard normal kernels, as many a step as `kernels`, each with images of its own.

    The number of images is the batch's.
    """

    layer: Target
    channels: int
    size: int  # pixels a side
    kernels: int
    device: str  # where the images are drawn
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        on = {"device": self.device, "generator": generator_on(self.device, generator)}
        return {
            "x": torch.randn(self.kernels, size, self.channels, self.size, self.size, **on),
            "c": torch.randn(self.kernels, len(basis(self.layer)), self.channels**2, **on),
        }

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, c = batch["x"], batch["c"]
        loss = F.mse_loss(network(x, c), true_layer(self.layer, x, c))
        return {"total": loss}


def mixer_runs(cfg: Huang2024, target: Target, device: torch.device) -> list[Run]:
    """Untrained mixers, one a seed."""
    block = cfg.mixers
    channels, size = block.channels, getattr(block.size, target)
    return [
        Run(
            name=f"{target}/seed{seed}",
            seed=seed,
            network=mixer(target, channels, size, seed),
            objective=MixerLoss(target, channels, size, getattr(block.kernels, target), str(device)),
            train={"y": torch.zeros(getattr(block.images, target))},  # images are drawn, as for clones
            valid={"y": torch.zeros(VALIDATED)},
            lr=getattr(block.lr, target),
            weight_decay=block.weight_decay,
        )
        for seed in range(cfg.seeds)
    ]


def untrained(target: Target, size: int, seed: int) -> Callable[[Tensor], Tensor]:
    """A linear layer without bias, as PyTorch initialises it, on each channel: (..., size, size) to (..., m, m)."""
    m = size + 1 - SIDE[target]
    linear = models.seeded(lambda: nn.Linear(size**2, m**2, bias=False), generator(seed, "linear", "mixer", target))
    return lambda x: linear(x.flatten(-2)).unflatten(-1, (m, m))


class MixerErrors:
    """Errors of mixers on fresh Gaussian images and kernels, the same for all of them."""

    def __init__(self, target: Target, channels: int, size: int, measured: Measured) -> None:
        self.target, self.size, self.shifts = target, size, measured.shifts
        stream, room = generator(0, "measured", "mixer", target), max(measured.shifts)
        self.scene = torch.randn(measured.images, channels, size + room, size + room, generator=stream)
        self.kernels = torch.randn(measured.kernels, len(basis(target)), channels**2, generator=stream)

    @torch.no_grad()
    def of_mixer(self, network: nn.Module) -> dict[str, float]:
        """Of its outputs, relative to the true layer's mean square, and of its equivariance."""
        x = self.scene[..., : self.size, : self.size]
        error = relative_error(self._each(network, x), self._each(lambda *given: true_layer(self.target, *given), x))
        return {"relative_error": error} | self.equivariance(lambda x: self._each(network, x))

    def equivariance(self, layer: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Of any layer from images (i, c, h, h) to maps (..., i, c, m, m): by shifts, or by quarter turns."""
        if self.target == "t2":
            return {"equivariance_error": translation_error(layer, self.scene, self.size, self.shifts)}
        alone = self.scene[..., : self.size, : self.size].unsqueeze(-3)  # channels are no rotations: they do not roll
        return {"equivariance_error": turning_error(lambda x: layer(x.squeeze(-3)).unsqueeze(-3), alone, TURNS)}

    def _each(self, layer: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        """Images under each of the kernels: (k, i, c, m, m)."""
        return layer(x.expand(len(self.kernels), *x.shape), self.kernels)
