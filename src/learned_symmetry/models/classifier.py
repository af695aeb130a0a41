"""The classifiers of Huang et al. 2024 (protocol 2.3): a multilayer perceptron, and four convolutions with a head.

The convolutions may be plain, p4 or cloned; what follows them is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from learned_symmetry.models import Dropout
from learned_symmetry.models.gcnn import LiftingConv, P4Conv, SpatialPool

Over = Literal["mean", "max"]  # positions


class Dense(nn.Sequential):
    """Linear layers of these widths, inputs first and classes last, with ReLU between: (b, 1, h, w) -> (b, classes)."""

    def __init__(self, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])


class Convolutional(nn.Module):
    """Four 3 x 3 layers with ReLU, pooled by 2 after the second and the fourth, then globally, and a head with dropout.

    Maps are (b, c, h, w), or P4 maps (b, c, 4, h, w); the global pooling is `over` positions and rotations. Of 28 x 28
    images the four maps have 26, 24, 10 and 8 pixels a side; no padding.
    """

    def __init__(
        self, layers: Sequence[nn.Module], pool: nn.Module, over: Over, last: int, hidden: int, p: float, classes: int
    ) -> None:
        super().__init__()
        self.over = over
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.pool = pool
        self.hidden = nn.Linear(last, hidden)
        self.dropout = Dropout(p, (hidden,))
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(self.layer2(self.layer1(x).relu()).relu())
        h = self.pool(self.layer4(self.layer3(h).relu()).relu())
        h = h.flatten(2).mean(2) if self.over == "mean" else h.flatten(2).amax(2)
        return self.head(self.dropout(self.hidden(h).relu()))


Build = Callable[[int, int, int], nn.Module]  # number of the layer, channels, out


def convolutional(
    group: str, channels: Sequence[int], over: Over, hidden: int, p: float, classes: int, layer: Build
) -> Convolutional:
    """A classifier of four layers with these output channels, each made by ``layer(number, channels, out)``."""
    pairs = zip([1, *channels[:-1]], channels, strict=True)
    layers = [layer(number, before, after) for number, (before, after) in enumerate(pairs)]
    pool = nn.MaxPool2d(2) if group == "t2" else SpatialPool()
    return Convolutional(layers, pool, over, channels[-1], hidden, p, classes)


def true_layer(group: str) -> Build:
    """The layers that are cloned: plain convolutions for "t2", p4 ones for "c4"."""
    if group == "t2":
        return lambda number, channels, out: nn.Conv2d(channels, out, 3)
    return lambda number, channels, out: (P4Conv if number else LiftingConv)(channels, out, 3)
