"""Residual networks for CIFAR-10: ResNet-44 and WRN-40-s of Bruintjes et al. 2023 (Sections 4.4, 4.5; protocol 3).

`blocks.0`, `blocks.1` and so on are what the residual blocks give. Convolutions start as He et al. 2015 have it, by
their fan-out; linear layers as PyTorch has it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models.pointwise import Pointwise

CLASSES, SIZE = 10, 32


class GlobalAverage(nn.Module):
    """(b, c, h, w) -> (b, c)"""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-2, -1))


class _Residual(nn.Module):
    """Three stages of as many blocks, the second and third at half the resolution: (b, 3, 32, 32) -> (b, 10).

    Attributes:
        strides: how many input pixels one step in each layer is, for the blocks, the pooled features and the logits.
    """

    def __init__(self, block: type[nn.Module], blocks: int, stem: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        before = (stem, *[width for width in widths for _ in range(blocks)])
        steps = [2 if stage and not k else 1 for stage in range(len(widths)) for k in range(blocks)]
        self.blocks = nn.Sequential(*map(block, before, before[1:], steps))
        self.pool = GlobalAverage()
        self.head = nn.Linear(widths[-1], CLASSES)
        strides = {f"blocks.{k}": 2 ** (k // blocks) for k in range(len(self.blocks))}
        self.strides = strides | {"pool": SIZE, "logits": SIZE}
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


class ResNetCIFAR(_Residual):
    """He et al. 2016, Section 4.2, with 6n + 2 layers: 658,586 parameters for the paper's n = 7 and width 16."""

    def __init__(self, n: int = 7, width: int = 16) -> None:
        super().__init__(Basic, n, width, (width, 2 * width, 4 * width))
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.stem(x)).relu()
        return self.head(self.pool(self.blocks(h)))


class WideResNet(_Residual):
    """Zagoruyko and Komodakis 2016 with 6n + 4 layers, no dropout; its stem has `width` channels, whatever the factor.

    For the paper's n = 6 and width 16: 563,930, 2,243,546, 8,949,210 and 35,748,314 parameters for factors 1, 2, 4, 8.
    """

    def __init__(self, factor: int, n: int = 6, width: int = 16) -> None:
        super().__init__(PreActivated, n, width, (factor * width, 2 * factor * width, 4 * factor * width))
        self.norm = nn.BatchNorm2d(4 * factor * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.norm(self.blocks(self.stem(x))).relu()))


class Basic(nn.Module):
    """Two convolutions; the shortcut has no parameters: every other pixel, and zeros for the channels that are new."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new = stride, after - before
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        if self.new:  # half of the zeros before the channels that there were, half behind
            x = F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))
        return (h + x).relu()


class PreActivated(nn.Module):
    """Two convolutions, each after its norm and ReLU; the shortcut is a 1x1 convolution where channels are new."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.shortcut = Pointwise(before, after, stride) if before != after else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.norm1(x).relu()
        h = self.conv2(self.norm2(self.conv1(active)).relu())
        return h + (x if self.shortcut is None else self.shortcut(active))
