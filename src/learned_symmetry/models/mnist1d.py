"""Teacher, students and orbit model of Nix et al. 2022 for MNIST-1D (Table 3; no biases, inputs (b, 1, 40)).

PyTorch's own initialisation, written out: uniform in ± 1/sqrt(fan-in), for weights and for the biases of A_l.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from learned_symmetry.models.pooled import PooledLinear

LENGTH, CLASSES = 40, 10
LAYERS = ("layer1", "layer2")  # hooked, before the ReLU, 600 and 400 features in teacher and student alike


class Teacher(nn.Module):
    """Two circular convolutions and a maximum over positions: invariant to circular shifts. 825 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Conv1d(1, 15, 5, padding=2, padding_mode="circular", bias=False)
        self.layer2 = nn.Conv1d(15, CLASSES, 5, padding=2, padding_mode="circular", bias=False)
        for layer in (self.layer1, self.layer2):
            _uniform(layer.weight, layer.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        return self.layer2(self.layer1(x).relu()).amax(-1)  # (b, 15, 40) -> (b, 10, 40) -> (b, 10)


class Student(nn.Module):
    """The teacher's layer sizes, fully connected.

    ``head="pooling"`` (264,000 parameters): the 400 units, seen as 10 channels of 40 positions, pooled over positions.
    ``head="linear"`` (268,000): one more linear layer, with no ReLU before it unless asked for (nix2022 D11).
    """

    def __init__(self, head: Literal["pooling", "linear"], relu_before_head: bool = False) -> None:
        super().__init__()
        self.layer1 = nn.Linear(LENGTH, 15 * LENGTH, bias=False)
        if head == "pooling":
            self.layer2, self.head = PooledLinear(15 * LENGTH, CLASSES, LENGTH), None
        else:
            self.layer2 = nn.Linear(15 * LENGTH, CLASSES * LENGTH, bias=False)
            self.head = nn.Linear(CLASSES * LENGTH, CLASSES, bias=False)
        self.relu_before_head = relu_before_head
        for layer in filter(None, (self.layer1, self.layer2, self.head)):
            _uniform(layer.weight, layer.in_features)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer1(x.flatten(1)).relu()  # (b, 600)
        h = self.layer2(hidden)  # (b, 400)
        if self.head is None:
            return self.layer2.maxima(hidden, h)
        return self.head(h.relu() if self.relu_before_head else h)


class OrbitKernels(nn.Module):
    """A learned representation of the group on every layer: one kernel a group element, acting by correlation.

    Input and first layer use the kernels K themselves, the second layer A_2 K + b_2, the logits A_3 K + b_3 of length
    10 (nix2022 Section 5, Supplement A.1); with `first_layer_transform` the first layer has an A_1 too (D17).
    3,650 parameters, 5,290 with A_1.
    """

    def __init__(self, first_layer_transform: bool = False, order: int = LENGTH) -> None:
        super().__init__()
        self.kernels = nn.Parameter(torch.randn(order, LENGTH))
        self.to_layer1 = nn.Linear(LENGTH, LENGTH) if first_layer_transform else None
        self.to_layer2 = nn.Linear(LENGTH, LENGTH)
        self.to_logits = nn.Linear(LENGTH, CLASSES)
        for layer in filter(None, (self.to_layer1, self.to_layer2, self.to_logits)):
            _uniform(layer.weight, layer.in_features)
            _uniform(layer.bias, layer.in_features)

    def forward(self) -> dict[str, Tensor]:
        """The kernels (order, length) of input, layers and logits."""
        return {
            "input": self.kernels,
            "layer1": self.kernels if self.to_layer1 is None else self.to_layer1(self.kernels),
            "layer2": self.to_layer2(self.kernels),
            "logits": self.to_logits(self.kernels),
        }


def _uniform(tensor: Tensor, fan_in: int) -> None:
    nn.init.uniform_(tensor, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
