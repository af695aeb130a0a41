"""The orbit model of Nix et al. 2022 for images: a kernel a group element, as `mnist1d.OrbitKernels` for signals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_symmetry.models.mnist1d import CLASSES


class OrbitImageKernels(nn.Module):
    """`order` kernels of `size` x `size` that act on images; an affine map of them for each layer of the teacher.

    The first layer uses the kernels themselves unless `first_layer_transform` (nix2022 D17); the logits, a signal of
    length 10, have kernels of length 10. 2,185 parameters for the CNN's three hidden layers, 4,135 for the ResNet's
    five, the first transformed. N(0, std^2) at first (std 1 in the paper); the affine maps as PyTorch initialises them.
    """

    def __init__(
        self,
        layers: Sequence[str],
        first_layer_transform: bool = False,
        order: int = 25,
        size: int = 5,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        self.layers, self.size = tuple(layers), size
        self.kernels = nn.Parameter(torch.randn(order, size, size) * std)
        transformed = self.layers if first_layer_transform else self.layers[1:]
        maps = {layer: nn.Linear(size * size, size * size) for layer in transformed}
        self.maps = nn.ModuleDict(maps | {"logits": nn.Linear(size * size, CLASSES)})

    def forward(self) -> dict[str, Tensor]:
        """Kernels of the input and the layers (order, size, size), and of the logits (order, 10)."""
        flat = self.kernels.flatten(1)
        banks = {layer: self.maps[layer](flat) if layer in self.maps else flat for layer in self.layers}
        banks = {layer: bank.unflatten(1, (self.size, self.size)) for layer, bank in banks.items()}
        return {"input": self.kernels, **banks, "logits": self.maps["logits"](flat)}


def onehot(kernels: Tensor) -> Tensor:
    """Which kernels (|G|, ...) move by one shift: their largest squared weight is more than half of all (|G|,) bool."""
    energy = kernels.flatten(1).square()
    return energy.amax(1) > energy.sum(1) / 2
