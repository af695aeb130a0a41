"""VGG11 without normalisation for CIFAR-10, plain or with flip-equivariant layers (Bökman and Kahl 2023, Section 4.1).

In a flip-equivariant layer channels are pairs [a_1 .. a_n, b_1 .. b_n]: where the input is mirrored, its maps are
mirrored and a_i changes places with b_i (protocol 2.3).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.groups import Flip
from learned_symmetry.merge.channels import Channels

CLASSES, LAYERS = 10, 8
MULTIPLES = (1, 2, 4, 4, 8, 8, 8, 8)  # of `width`: output channels of the convolutions
POOLED = (0, 1, 3, 5, 7)  # after these layers the map is halved: from 32 x 32 to 1 x 1 in the end, smaller ones earlier


class FlipConv(nn.Conv2d):
    """3 x 3 convolution whose `out` channels are pairs; stores one free kernel and bias a pair.

    With `paired` inputs it is regular: kernels [A, B] and their twins [flipped B, flipped A]. Otherwise it is lifting:
    U and flipped U. Initial weights are those of a convolution with the same fan-in.
    """

    def __init__(self, channels: int, out: int, *, paired: bool) -> None:
        super().__init__(channels, out // 2, 3, padding=1)
        self.paired = paired

    def kernel(self) -> Tensor:
        """(out, channels, 3, 3), for which flip(kernel) = P_out kernel P_in with the pairs' swaps P (equation 3)."""
        swapped = self.weight.roll(self.in_channels // 2, 1) if self.paired else self.weight
        return torch.cat([self.weight, Flip().act(swapped, 1)])

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel(), self.bias.repeat(2), padding=1)


class VGG11(nn.Module):
    """(b, 3, s, s) -> (b, 10) for s a power of 2 up to 32, the paper's; the first `equivariant` of eight convolutions
    are flip-equivariant.

    With `width` 64: 9,225,610 parameters for 0 (the plain CNN), 9,187,786 for 2 (PGCNN) and 4,612,810 for 8 (GCNN,
    whose head sees the mean of each pair, so that its logits are invariant). `layers.0` to `layers.7` are what the
    ReLUs give, `layers.0.0` and so on the convolutions.
    """

    def __init__(self, width: int = 64, equivariant: int = 0) -> None:
        super().__init__()
        widths = [3, *(width * multiple for multiple in MULTIPLES)]
        self.layers = nn.ModuleList(
            nn.Sequential(
                FlipConv(before, after, paired=number > 0) if number < equivariant
                else nn.Conv2d(before, after, 3, padding=1),
                nn.ReLU(),
            )
            for number, (before, after) in enumerate(pairwise(widths))
        )  # fmt: skip
        self.width, self.equivariant = width, equivariant
        self.invariant = equivariant == LAYERS
        self.head = nn.Linear(widths[-1] // (1 + self.invariant), CLASSES)

    def channels(self) -> list[Channels]:
        """Each layer's channels are permuted by themselves, the simplest case; of a plain network."""
        convolutions = self.convolutions()
        return [
            Channels(f"layers.{number}", (convolutions[number],), (reader,))
            for number, reader in enumerate([*convolutions[1:], "head"])
        ]

    @staticmethod
    def convolutions() -> list[str]:
        """The layers that REPAIR corrects."""
        return [f"layers.{number}.0" for number in range(LAYERS)]

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in POOLED and x.shape[-1] > 1:
                x = F.max_pool2d(x, 2)
        h = x.flatten(1)
        return self.head(h.unflatten(1, (2, -1)).mean(1) if self.invariant else h)


def plain(network: VGG11) -> VGG11:
    """The same function as a plain VGG11 with all kernels written out, to be flipped, matched and merged."""
    made = VGG11(network.width).to(network.head.weight)
    state = network.state_dict()
    for number, (convolution, _) in enumerate(network.layers):
        if isinstance(convolution, FlipConv):
            state[f"layers.{number}.0.weight"] = convolution.kernel()
            state[f"layers.{number}.0.bias"] = convolution.bias.repeat(2)
    if network.invariant:
        state["head.weight"] = network.head.weight.repeat(1, 2) / 2
    made.load_state_dict(state)
    return made.train(network.training).requires_grad_(network.head.weight.requires_grad)
