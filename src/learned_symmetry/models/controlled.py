"""The two hand-crafted CNNs of Bruintjes et al. 2023 (Section 4.1; protocol 3.2) and their filters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_symmetry.groups import QuarterTurns


class Controlled(nn.Module):
    """`layers` times the same filters (c, k, k), zero padding and ReLU: (b, 1, h, h) -> (b, c, h, h).

    Output channel c has filter c for every input channel, divided by their number, so a layer does not change when its
    input channels trade places: filters that turn into each other make every layer equivariant, not just the first.
    """

    def __init__(self, filters: Tensor, layers: int) -> None:
        super().__init__()
        channels, size, _ = filters.shape
        self.layers = nn.ModuleList()
        for before in [1] + [channels] * (layers - 1):
            convolution = nn.Conv2d(before, channels, size, padding=size // 2, bias=False)
            convolution.weight = nn.Parameter(
                filters.unsqueeze(1).repeat(1, before, 1, 1) / before, requires_grad=False
            )
            self.layers.append(nn.Sequential(convolution, nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def gaussian(size: int, sigma: float) -> Tensor:
    """An isotropic Gaussian of `size` pixels a side (odd), centred, with sum 1; sigma in pixels. Float64."""
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    bell = torch.exp(-(offset.square().unsqueeze(1) + offset.square()) / (2 * sigma**2))
    return bell / bell.sum()


def invariant_filters(size: int, sigmas: Sequence[float]) -> Tensor:
    """A Gaussian a channel (c, size, size): a turn changes none of them."""
    return torch.stack([gaussian(size, sigma) for sigma in sigmas])


def equivariant_filters(size: int, sigma: float, cut: int) -> Tensor:
    """A Gaussian without its upper left corner of `cut` pixels a side, in four turns (4, size, size)."""
    base = gaussian(size, sigma)
    base[:cut, :cut] = 0
    return QuarterTurns().orbit(base)
