"""Clones of single-channel 3 x 3 convolutions without padding, and layers of classifiers made of them (huang2024 2.1).

A clone of B blocks maps an n x n image x by B matrices W_b and mixes the results by coefficients that are linear in the
kernel: y = sum_b h(c)_b W_b x, of (n - 2)^2 pixels. It knows nothing of neighbourhoods; that is what it learns.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from learned_symmetry.groups import QuarterTurns

Layer = Literal["t2", "lift", "group"]  # a convolution; a p4 one from images; a p4 one from P4 maps
KERNEL = {"t2": (9,), "lift": (9,), "group": (4, 9)}  # entries of a kernel
ROTATIONS = {"t2": (1, 1), "lift": (4, 1), "group": (4, 4)}  # of an output and of an input
EMBEDDING = 10  # columns of E1 (authors' code)
TURNS = QuarterTurns()


class Clone(nn.Module):
    """A clone of `layer` for size x size images with `blocks` blocks; the maps start at zero, all else in [0, 1).

    The coefficients are those of the paper's approximate form, the flattened ``c[:, None] * E1`` times E2; not
    `embedded`, the nine entries of the kernel themselves. Kernels of p4 layers are first turned by learned matrices P,
    one for each pair of rotations. Raises ValueError for a plain clone without nine blocks.
    """

    def __init__(self, layer: Layer, size: int, blocks: int, *, embedded: bool = True) -> None:
        super().__init__()
        if not embedded and blocks != 9:
            raise ValueError(f"a clone that is not embedded has 9 blocks, one a kernel entry, not {blocks}")
        self.layer, self.size, self.blocks, self.embedded = layer, size, blocks, embedded
        self.W = nn.Parameter(torch.zeros(blocks, (size - 2) ** 2, size**2))
        if embedded:
            self.E1 = nn.Parameter(torch.rand(9, EMBEDDING))
            self.E2 = nn.Parameter(torch.rand(9 * EMBEDDING, blocks))
        if layer == "lift":
            self.P = nn.Parameter(torch.rand(4, 9, 9))
        elif layer == "group":
            self.P = nn.Parameter(torch.rand(4, 4, 4, 9, 9))

    def forward(self, x: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
        """Both factors of the output, which are cheaper to mix for many kernels at once than one by one.

        Images x (..., n, n) give W_b x (..., B, (n - 2)^2); kernels (..., *KERNEL) give h (..., R, J, B) for R
        rotations of the output and J of the input.
        """
        seen = (x.flatten(-2) @ self.W.flatten(0, 1).mT).unflatten(-1, (self.blocks, -1))
        return seen, self.turned(kernels) @ self.mixing()

    def mixing(self) -> Tensor:
        """The matrix (9, B) from a kernel's entries to coefficients."""
        if not self.embedded:
            return torch.eye(9, dtype=self.W.dtype, device=self.W.device)
        return torch.einsum("pe,peb->pb", self.E1, self.E2.unflatten(0, (9, EMBEDDING)))

    def turned(self, kernels: Tensor) -> Tensor:
        """Kernels (..., *KERNEL) as the clone turns them: (..., R, J, 9)."""
        if self.layer == "t2":
            return kernels[..., None, None, :]
        if self.layer == "lift":
            return torch.einsum("rpq,...q->...rp", self.P, kernels).unsqueeze(-2)
        return torch.einsum("rjspq,...sq->...rjp", self.P, kernels)

    def matrices(self, kernel: Tensor) -> Tensor:
        """The matrix that the clone applies for one kernel (*KERNEL): (R, J, (n - 2)^2, n^2)."""
        return torch.einsum("rjb,bmn->rjmn", self.turned(kernel) @ self.mixing(), self.W)


def exact(layer: Layer, kernels: Tensor) -> Tensor:
    """Kernels (..., *KERNEL) as the true layer turns them: (..., R, J, 9), as `models.gcnn` does it."""
    if layer == "t2":
        return kernels[..., None, None, :]
    square = kernels.unflatten(-1, (3, 3))
    if layer == "lift":
        return TURNS.orbit(square).movedim(0, -3).flatten(-2).unsqueeze(-2)
    turned = torch.stack([TURNS.act(square.roll(r, -3), r) for r in range(TURNS.order)], -4)
    return turned.flatten(-2)


def patches(x: Tensor, side: int = 3) -> Tensor:
    """Images (..., n, n) under the filters of `side` x `side` with one entry: (..., side^2, m^2), m = n + 1 - side.

    Of 3 x 3 filters it is what a perfect W_b x would be.
    """
    m = x.shape[-1] + 1 - side
    return torch.stack([x[..., i : i + m, j : j + m] for i in range(side) for j in range(side)], -3).flatten(-2)


def convolved(layer: Layer, x: Tensor, kernels: Tensor) -> Tensor:
    """The true layer on images (n, J, h, h), with each of the kernels (k, *KERNEL): (n, k, R, h - 2, h - 2)."""
    return _mixed(exact(layer, kernels), patches(x))


def cloned(clone: Clone, x: Tensor, kernels: Tensor) -> Tensor:
    """What `clone` makes of images (n, J, h, h), with each of the kernels (k, *KERNEL): (n, k, R, h - 2, h - 2)."""
    seen, coefficients = clone(x, kernels)
    return _mixed(coefficients, seen)


def _mixed(coefficients: Tensor, seen: Tensor) -> Tensor:
    out = torch.einsum("krjb,njbm->nkrm", coefficients, seen)
    return out.unflatten(-1, (math.isqrt(out.shape[-1]), -1))


def freeze(clone: Clone) -> Clone:
    """The clone with buffers in place of its parameters: no optimiser sees them, no state dict repeats them."""
    for name, parameter in list(clone.named_parameters()):
        delattr(clone, name)
        clone.register_buffer(name, parameter.detach(), persistent=False)
    return clone


class ClonedConv(nn.Module):
    """A layer of a classifier: output channel o is the sum over i of one clone of x_i with kernel k_oi, plus a bias.

    From (b, in, n, n), of a group clone (b, in, 4, n, n), to (b, out, m, m), of p4 clones (b, out, 4, m, m), in two
    matrix products: all channels by all maps, then all outputs by all mapped channels.
    """

    def __init__(self, clone: Clone, channels: int, out: int) -> None:
        super().__init__()
        self.clone = clone
        bound = 1 / math.sqrt(channels * math.prod(KERNEL[clone.layer]))  # Kaiming-uniform with a = sqrt(5)
        self.weight = nn.Parameter(torch.empty(out, channels, *KERNEL[clone.layer]).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        seen, coefficients = self.clone(x, self.weight)  # (b, in, [4,] B, m²), (out, in, R, J, B)
        rotations = ROTATIONS[self.clone.layer][0]
        mixing = coefficients.movedim(2, 1).flatten(2).flatten(0, 1)  # (out R, in J B)
        out = mixing @ seen.flatten(1, -2) + self.bias.repeat_interleave(rotations).unsqueeze(-1)
        out = out.unflatten(-1, (self.clone.size - 2, -1))
        return out if rotations == 1 else out.unflatten(1, (-1, rotations))
