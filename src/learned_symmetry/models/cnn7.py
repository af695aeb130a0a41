"""The seven-layer CNN of Bruintjes et al. 2023 on MNIST6 (Section 4.3; protocol 3.3), after Cohen and Welling 2016."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models.residual import GlobalAverage

LAYERS, POOL_AFTER = 7, 2


class CNN7(nn.Module):
    """3x3 convolution, batch norm, ReLU, seven times, with 2x2 max-pooling after the second: (b, 1, 28, 28) -> (b, K).

    22,326 parameters for 6 classes, 22,704 for 24. `layers.0` to `layers.6` are 28, 28, then five times 14 pixels wide;
    without padding 26, 24, 10, 8, 6, 4, 2. `strides` says how many input pixels one step in each layer is.
    """

    def __init__(self, classes: int, channels: int = 20, padding: int = 1) -> None:
        super().__init__()
        widths = [1] + [channels] * LAYERS
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=padding), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in pairwise(widths)
        )
        self.pool = GlobalAverage()
        self.head = nn.Linear(channels, classes)
        self.strides = {f"layers.{k}": 1 if k < POOL_AFTER else 2 for k in range(LAYERS)} | {"pool": 28, "logits": 28}

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if number == POOL_AFTER:
                x = F.max_pool2d(x, 2)
        return self.head(self.pool(x))
