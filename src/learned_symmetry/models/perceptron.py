"""The perceptrons of Moskalev et al. 2023: plain, and with the first layer tied over a group (protocol 2.3)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.groups import Group


class Perceptron(nn.Module):
    """Hidden layers `layer1` to `layerN` with ReLU and a linear `head`: (b, 1, side, side) -> (b, classes).

    232,576 parameters with the paper's sizes (36 pixels a side, 5 layers of 128 units) and no biases.
    """

    def __init__(self, side: int, layers: int, width: int, classes: int, bias: bool) -> None:
        super().__init__()
        self.layers = [f"layer{number}" for number in range(1, layers + 1)]
        for name, inputs in zip(self.layers, [side * side, *[width] * (layers - 1)], strict=True):
            setattr(self, name, nn.Linear(inputs, width, bias=bias))
        self.head = nn.Linear(width, classes, bias=bias)

    def first(self, x: Tensor) -> Tensor:
        """The first hidden layer after its ReLU, (b, width)."""
        return self.layer1(x.flatten(1)).relu()

    def latent(self, x: Tensor) -> Tensor:
        """The last hidden layer after its ReLU, (b, width)."""
        h = self.first(x)
        for name in self.layers[1:]:
            h = getattr(self, name)(h).relu()
        return h

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.latent(x))


class TiedPerceptron(Perceptron):
    """The same with a first layer whose filters are moved by every element of a group, and pooled over it.

    Moving the input permutes what is pooled, so the network is invariant; it has as many parameters as the plain one.
    Filters are moved instead of inputs, because there are fewer of them: <W, g x> = <g^-1 W, x> for permutations.
    """

    def __init__(self, group: Group, pool: Literal["max", "mean"], side: int, *sizes: int, bias: bool) -> None:
        super().__init__(side, *sizes, bias=bias)
        self.group, self.pool, self.side = group, pool, side

    def first(self, x: Tensor) -> Tensor:
        weight, bias = self.layer1.weight, self.layer1.bias
        filters = self.group.orbit(weight.unflatten(1, (self.side, self.side))).flatten(2)  # (order, width, pixels)
        h = F.linear(x.flatten(1), filters.flatten(0, 1)).unflatten(1, filters.shape[:2])  # (b, order, width)
        h = (h if bias is None else h + bias).relu()
        return h.amax(1) if self.pool == "max" else h.mean(1)
