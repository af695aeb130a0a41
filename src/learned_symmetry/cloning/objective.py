"""What a clone minimises: the mean squared error to the true layer on random images and kernels (Algorithm 1).

For all kernels at once: the error of kernel c on image x is v' p with v = (h(c), -c) and p = (W_b x, T_i x), so its
mean square is <mean v v', mean p p'>; and v = V c, so that mean v v' = V (mean c c') V'. That is the same number as the
outputs' mean squared error, and it costs no more for a thousand kernels than for one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from torch import Tensor

from learned_symmetry.cloning.clone import KERNEL, ROTATIONS, Layer, exact, patches
from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, Objective


@dataclass(frozen=True)
class CloneLoss(Objective):
    """A step's `iterations` draw `kernels` kernels each and images, `shared` by them or anew for each (code).

    The number of images is the batch's. Losses are summed over the iterations, as the authors sum their gradients.
    The floor of the expected loss is 9 - B for B blocks up to nine, four times that for a group layer (protocol 2.1).
    """

    layer: Layer
    size: int  # pixels a side
    iterations: int
    kernels: int
    images_are: Literal["shared", "each"]
    device: str  # where the images are drawn
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        groups = 1 if self.images_are == "shared" else self.kernels
        on = {"device": self.device, "generator": generator_on(self.device, generator)}
        rotations = ROTATIONS[self.layer][1]
        return {
            "x": torch.randn(self.iterations, groups, size, rotations, self.size, self.size, **on),
            "c": torch.randn(self.iterations, groups, self.kernels // groups, *KERNEL[self.layer], **on),
        }

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, c = batch["x"], batch["c"].flatten(-len(KERNEL[self.layer]))  # (t, g, i, J, n, n), (t, g, k, entries)
        entries, wanted = _entries(self.layer, x.dtype, x.device)
        seen, coefficients = network(x, entries)
        p = torch.cat([seen, patches(x)], -2).flatten(-3, -2).transpose(2, 3).flatten(3)  # (t, g, J (B + 9), i m)
        v = torch.cat([coefficients, -wanted], -1).flatten(2)  # (entries, R, J (B + 9))
        images = p @ p.mT / p.shape[-1]
        kernels = v.flatten(0, 1).mT @ (c.mT @ c @ v.flatten(1)).unflatten(-1, v.shape[1:]).flatten(2, 3)
        loss = (images * kernels).sum((-2, -1)).mean() / (c.shape[-2] * v.shape[1])
        return {"loss": loss, "total": self.iterations * loss}

    def score(self, network: Network, batch: Batch) -> Tensor:
        return self.losses(network, batch)["loss"]


@lru_cache
def _entries(layer: Layer, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The kernels with one entry, (entries, *KERNEL), and as the true layer turns them."""
    kernels = torch.eye(math.prod(KERNEL[layer]), dtype=dtype, device=device).unflatten(-1, KERNEL[layer])
    return kernels, exact(layer, kernels)


def generator_on(device: str, generator: torch.Generator) -> torch.Generator:
    """The same stream on another device: images drawn on a CPU would keep a GPU waiting."""
    if torch.device(device).type == generator.device.type:
        return generator
    return torch.Generator(device).manual_seed(generator.initial_seed())


def floor(layer: Layer, blocks: int) -> float:
    """The least expected loss of a clone (protocol 2.1)."""
    return max(9 - blocks, 0) * (4.0 if layer == "group" else 1.0)
