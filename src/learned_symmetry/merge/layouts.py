"""What `merge` has to know of networks that do not say it themselves: the CNNs of Bruintjes et al. 2023."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learned_symmetry.merge.channels import Channels
from learned_symmetry.models.cnn7 import CNN7, LAYERS
from learned_symmetry.models.pointwise import Pointwise
from learned_symmetry.models.residual import Basic, PreActivated


@dataclass(frozen=True)
class Layout:
    """The same function as a network whose channels can be relabelled, its channels, and what REPAIR corrects.

    Batch norms are reset anyway; residual blocks are repaired besides, as those of bokman2023 are.
    """

    network: nn.Module
    channels: list[Channels]
    repaired: list[str]


def layout(network: nn.Module) -> Layout:
    """Of a `CNN7`, a `ResNetCIFAR` or a `WideResNet`; `network` itself stays as it is."""
    made = copy.deepcopy(network)
    if isinstance(made, CNN7):
        readers = [*(f"layers.{number}.0" for number in range(1, LAYERS)), "head"]
        writers = [(f"layers.{number}.0", f"layers.{number}.1") for number in range(LAYERS)]
        found = [Channels(f"layers.{k}", writers[k], (reader,)) for k, reader in enumerate(readers)]
        return Layout(made, found, [])
    for number, block in enumerate(made.blocks):
        if isinstance(block, Basic) and block.new:
            made.blocks[number] = Projected(block)
    return Layout(made, _residual(made), [f"blocks.{number}" for number in range(len(made.blocks))])


class Projected(nn.Module):
    """A `Basic` block whose shortcut, every other pixel and zeros, is spelled out as a 1 x 1 convolution."""

    def __init__(self, block: Basic) -> None:
        super().__init__()
        self.conv1, self.norm1, self.conv2, self.norm2 = block.conv1, block.norm1, block.conv2, block.norm2
        before, after = block.conv1.in_channels, block.conv1.out_channels
        self.shortcut = Pointwise(before, after, block.stride).to(block.conv1.weight)
        with torch.no_grad():
            self.shortcut.weight.zero_()
            self.shortcut.weight[block.new // 2 + torch.arange(before), torch.arange(before)] = 1

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (h + self.shortcut(x)).relu()


def _residual(network: nn.Module) -> list[Channels]:
    """One group inside each block, and one for each stream that blocks add into; weights in a shortcut begin a new one.

    The norms of a stream have its channels first, so that they count among its writers: those after a sum is formed
    of a network that normalises before it convolves, those before of any other.
    """
    blocks = {f"blocks.{number}": block for number, block in enumerate(network.blocks)}
    before_relu = any(isinstance(block, PreActivated) for block in blocks.values())
    inner, outer = ("norm2", "norm1") if before_relu else ("norm1", "norm2")
    found = [Channels(f"{name}.{inner}", (f"{name}.conv1", f"{name}.{inner}"), (f"{name}.conv2",)) for name in blocks]
    writers, readers, last = ["stem"] if before_relu else ["stem", "norm"], [], "stem"
    for name, block in blocks.items():
        readers.append(f"{name}.conv1")
        if before_relu:
            writers.append(f"{name}.{outer}")
        if getattr(block, "shortcut", None) is not None:
            found.append(Channels(last, tuple(writers), (*readers, f"{name}.shortcut")))
            writers, readers = [f"{name}.shortcut"], []
        writers += [f"{name}.conv2"] if before_relu else [f"{name}.conv2", f"{name}.{outer}"]
        last = name
    if before_relu:
        writers.append("norm")
    return [*found, Channels(last, tuple(writers), (*readers, "head"))]
