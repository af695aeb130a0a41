"""The teacher of Nix et al. 2022 on MNIST (nix2022 protocol 2.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Dropout

CLASSES = 10
LAYERS = ("layer1", "layer2", "layer3")  # hooked, before the ReLU (D26)


class CNN(nn.Module):
    """Three 3x3 convolutions without padding, pooled to one number a channel: (b, 1, 28, 28) -> (b, 10).

    112,650 parameters with the paper's channels; fewer make a smaller network of the same form. Hooked are 128x26x26,
    64x24x24 and 64x10x10.
    """

    def __init__(self, channels: tuple[int, int, int] = (128, 64, 64), dropout: float = 0.1) -> None:
        super().__init__()
        a, b, c = channels
        self.layer1 = nn.Conv2d(1, a, 3)
        self.dropout1 = Dropout(dropout, (a, 26, 26))
        self.layer2 = nn.Conv2d(a, b, 3)
        self.dropout2 = Dropout(dropout, (b, 12, 12))
        self.layer3 = nn.Conv2d(b, c, 3)
        self.dropout3 = Dropout(dropout, (c, 3, 3))
        self.head = nn.Linear(c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout1(self.layer1(x).relu())  # (b, 128, 26, 26)
        h = self.dropout2(F.max_pool2d(self.layer2(h).relu(), 2))  # (b, 64, 24, 24) -> (b, 64, 12, 12)
        h = self.dropout3(F.max_pool2d(self.layer3(h).relu(), 3))  # (b, 64, 10, 10) -> (b, 64, 3, 3)
        return self.head(h.mean((-2, -1)))
