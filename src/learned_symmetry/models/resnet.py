"""The second teacher of Nix et al. 2022 on MNIST (nix2022 protocol 2.3)."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models.pointwise import Pointwise

CLASSES = 10
LAYERS = ("layer1", "layer2", "layer3", "layer4", "layer5")  # hooked: convolutions, before the batch norm (D26)


class ResNet18(nn.Module):
    """ResNet-18 for small images, a 3x3 stem and no max-pool (D33): (b, 1, 28, 28) -> (b, 10).

    11,172,810 parameters at width 64. Hooked are the stem, 64x28x28, and the last convolution of each stage, 64x28x28,
    128x14x14, 256x7x7 and 512x4x4. In training mode the running statistics of the batch norms move: the network's
    own, or those given with the weights.
    """

    hooks: ClassVar[dict[str, str]] = {
        "layer1": "stem",
        **{f"layer{stage + 1}": f"stage{stage}.1.conv2" for stage in range(1, 5)},
    }

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stage1 = _stage(width, width, stride=1)
        self.stage2 = _stage(width, 2 * width, stride=2)
        self.stage3 = _stage(2 * width, 4 * width, stride=2)
        self.stage4 = _stage(4 * width, 8 * width, stride=2)
        self.head = nn.Linear(8 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.stem(x)).relu()  # (b, 64, 28, 28)
        h = self.stage4(self.stage3(self.stage2(self.stage1(h))))  # (b, 512, 4, 4)
        return self.head(F.avg_pool2d(h, 4).flatten(1))


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    from torchvision.models.resnet import BasicBlock  # here: it takes 2 s, also where no ResNet is made

    shortcut = None
    if before != after:
        shortcut = nn.Sequential(Pointwise(before, after, stride), nn.BatchNorm2d(after))
    return nn.Sequential(BasicBlock(before, after, stride, shortcut), BasicBlock(after, after))
