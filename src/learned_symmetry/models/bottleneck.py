"""ResNets of bottlenecks (He et al. 2016, Section 4.1) with torchvision's geometry, start and parameter names.

`resnet50` is the network of Bökman and Kahl 2023, Section 4.2; small ones repeat the section on CIFAR-10. The stem, the
max-pooling and every stage but the first have stride 2, and a strided layer commutes with mirroring where its input has
an odd width: mirrored filters mirror the function at 225 and 33 pixels a side, and do not at 224 and 32 (protocol 2.6).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_symmetry.merge.channels import Channels
from learned_symmetry.models.pointwise import Pointwise

EXPANSION = 4
STEM = 7  # pixels a side of the filters of ResNet-50's stem


class Bottleneck(nn.Module):
    """Three convolutions, 1x1, 3x3 with the stride, 1x1, beside a shortcut, which is one where shapes differ."""

    def __init__(self, before: int, inside: int, stride: int) -> None:
        super().__init__()
        after = EXPANSION * inside
        self.conv1 = nn.Conv2d(before, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inside, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(Pointwise(before, after, stride), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu1(self.bn1(self.conv1(x)))
        h = self.relu2(self.bn2(self.conv2(h)))
        return (self.bn3(self.conv3(h)) + (x if self.downsample is None else self.downsample(x))).relu()


class BottleneckResNet(nn.Module):
    """(b, 3, h, w) -> (b, classes): a stem, max-pooling, `layer1`, `layer2`, ..., `blocks` bottlenecks each, a head.

    The stem and the inside of the first stage have `width` channels; the inside doubles with each stage.
    """

    def __init__(self, blocks: Sequence[int], width: int, classes: int, stem: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, stem, stride=2, padding=stem // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = {f"layer{number}": count for number, count in enumerate(blocks, start=1)}
        before = width
        for number, (stage, count) in enumerate(self.blocks.items()):
            inside, steps = width << number, [2 if number else 1] + [1] * (count - 1)
            after = EXPANSION * inside
            inputs = [before, *[after] * (count - 1)]
            parts = [Bottleneck(entering, inside, step) for entering, step in zip(inputs, steps, strict=True)]
            self.add_module(stage, nn.Sequential(*parts))
            before = after
        self.fc = nn.Linear(before, classes)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """What the head reads, (b, channels): the last stage's outputs, averaged over positions."""
        x = x.contiguous(memory_format=torch.channels_last)  # 1.6 times as fast on a CPU
        h = self.maxpool(self.bn1(self.conv1(x)).relu())
        for stage in self.blocks:
            h = self.get_submodule(stage)(h)
        return h.mean((-2, -1))

    def bottlenecks(self) -> list[str]:
        """The names of all blocks, in order."""
        return [f"{stage}.{number}" for stage, count in self.blocks.items() for number in range(count)]

    def channels(self) -> list[Channels]:
        """What shares a permutation (bokman2023 protocol 2.6): 37 groups for ResNet-50.

        Two groups inside each block, and one for the stem and for each stage's stream, into which all its blocks add;
        streams are matched where they leave the stage, the stem's after the pooling.
        """
        inner = [
            Channels(f"{block}.relu{k}", (f"{block}.conv{k}", f"{block}.bn{k}"), (f"{block}.conv{k + 1}",))
            for block in self.bottlenecks()
            for k in (1, 2)
        ]
        stages = list(self.blocks.items())
        entries = [(f"{stage}.0.conv1", f"{stage}.0.downsample.0") for stage, _ in stages]
        streams = [Channels("maxpool", ("conv1", "bn1"), entries[0])]
        for (stage, count), leaves in zip(stages, [*entries[1:], ("fc",)], strict=True):
            writers = [f"{stage}.{k}.{part}" for k in range(count) for part in ("conv3", "bn3")]
            shortcut = [f"{stage}.0.downsample.{part}" for part in (0, 1)]
            readers = [f"{stage}.{k}.conv1" for k in range(1, count)]
            streams.append(Channels(f"{stage}.{count - 1}", (*writers, *shortcut), (*readers, *leaves)))
        return inner + streams


def resnet50(classes: int = 1000) -> BottleneckResNet:
    """25,557,032 parameters; torchvision's ``state_dict`` fits."""
    return BottleneckResNet((3, 4, 6, 3), width=64, classes=classes, stem=STEM)
