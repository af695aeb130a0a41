"""Group convolutions over p4, translations and quarter turns, and the G-CNN teacher of Nix et al. 2022 (protocol 2.5).

A P4 map is (b, c, 4, h, w). Where the input turns by 90 r degrees counter-clockwise, it turns with it and its rotation
axis rolls by r. Both convolutions do so exactly, at every size and padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROTATIONS, CLASSES = 4, 10
LAYERS = ("layer1", "layer2", "layer3")  # hooked, after the pooling and before the ReLU


class _TurnedFilters(nn.Module):
    """An ordinary convolution whose filters are four turned copies each of the base filters `weight`."""

    convolves: ClassVar[bool] = True  # for the training engine, which knows torch's convolutions only

    def __init__(self, shape: tuple[int, ...], padding: int, bias: bool) -> None:
        super().__init__()
        self.padding = padding
        bound = 1 / math.sqrt(math.prod(shape[1:]))  # Kaiming-uniform with a = sqrt(5)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None  # one for the four rotations

    def bank(self) -> Tensor:
        """The filters (out * 4, in [* 4], k, k): those for rotation r are the base filters turned by 90 r degrees."""
        raise NotImplementedError

    def convolve(self, x: Tensor) -> Tensor:
        """x (b, in [* 4], h, w) -> (b, out, 4, h', w')"""
        bias = None if self.bias is None else self.bias.repeat_interleave(ROTATIONS)
        return F.conv2d(x, self.bank(), bias, padding=self.padding).unflatten(1, (-1, ROTATIONS))


class LiftingConv(_TurnedFilters):
    """From images (b, in, h, w) to P4 maps (b, out, 4, h', w'). `weight` is (out, in, k, k)."""

    def __init__(self, channels: int, out: int, kernel: int, padding: int = 0, bias: bool = True) -> None:
        super().__init__((out, channels, kernel, kernel), padding, bias)

    def bank(self) -> Tensor:
        return torch.stack([self.weight.rot90(r, (-2, -1)) for r in range(ROTATIONS)], 1).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x)


class P4Conv(_TurnedFilters):
    """From P4 maps (b, in, 4, h, w) to P4 maps (b, out, 4, h', w'). `weight` is (out, in, 4, k, k).

    The filters for rotation r have their input-rotation axis rolled by r too.
    """

    def __init__(self, channels: int, out: int, kernel: int, padding: int = 0, bias: bool = True) -> None:
        super().__init__((out, channels, ROTATIONS, kernel, kernel), padding, bias)

    def bank(self) -> Tensor:
        turned = [self.weight.roll(r, 2).rot90(r, (-2, -1)) for r in range(ROTATIONS)]
        return torch.stack(turned, 1).flatten(2, 3).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x.flatten(1, 2))


class SpatialPool(nn.Module):
    """Maximum over 2 x 2 pixels of a P4 map (b, c, 4, h, w). An odd map loses its last row and column.

    On even maps it commutes with quarter turns. On odd ones it does not: a turn puts another edge last, which moves
    every window by a pixel.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x.flatten(1, 2), 2).unflatten(1, (-1, ROTATIONS))


class GCNN(nn.Module):
    """The teacher of nix2022 2.5: images (b, 1, 28, 28) -> logits (b, 10), 106,298 parameters.

    Layers 1 to 3 are (b, 8, 4, 13, 13), (b, 32, 4, 6, 6) and (b, 64, 4, 3, 3). Layer 1 is exactly equivariant to
    quarter turns, and so is all that follows layer 2, but not the pooling from 13 to 6 in layer 2: on 28 x 28 images
    the logits are invariant only in part, as the paper's own teacher is (Table 2: 99.1 % upright, 87.7 % rotated).
    Where each pooled map is even (26 x 26 images: 24, 12, 6) they are exactly so.
    """

    def __init__(self, channels: Sequence[int] = (8, 32, 64)) -> None:
        super().__init__()
        first, second, third = channels
        self.layer1 = nn.Sequential(LiftingConv(1, first, 5, padding=1), SpatialPool())
        self.layer2 = nn.Sequential(P4Conv(first, second, 3, padding=1), SpatialPool())
        self.layer3 = nn.Sequential(P4Conv(second, third, 3, padding=1), SpatialPool())
        self.head = P4Conv(third, CLASSES, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer1(x).relu()  # (b, 8, 4, 13, 13)
        h = self.layer2(h).relu()  # (b, 32, 4, 6, 6)
        h = self.layer3(h).relu()  # (b, 64, 4, 3, 3)
        return self.head(h).amax(2).mean((-2, -1))  # over rotations, then over positions: (b, 10)
