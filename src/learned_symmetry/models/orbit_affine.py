"""Orbit model with affine transforms of Nix et al. 2022 (protocol 2.5): a group that acts by resampling volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.layout import square

NAMES = ("input", "layer1", "layer2", "layer3", "logits")

Init = Literal["identity", "inplane", "all_axes"]


class AffineOrbit(nn.Module):
    """A 3 x 4 matrix theta for each of `order` group elements and each of input, three layers and logits; none shared.

    Starting points (nix2022 D35), drawn for each matrix by itself: ``inplane`` is `inplane_affine` with the ranges of
    2.5; ``all_axes`` has a shift in z too and turns about all three axes; at ``identity`` every element does nothing,
    and nothing learns. 1,500 parameters with 25 elements.
    """

    def __init__(self, order: int = 25, init: Init = "inplane") -> None:
        super().__init__()
        self.theta = nn.Parameter(_STARTS[init]((len(NAMES), order)))

    def forward(self) -> dict[str, Tensor]:
        """The matrices (order, 3, 4) of input, layers and logits."""
        return dict(zip(NAMES, self.theta, strict=True))


def resample(theta: Tensor, volume: Tensor) -> Tensor:
    """volume (b, c, d, h, w) read, example by example, where theta (b, 3, 4) sends each point; zero outside.

    Coordinates are x, y, z along w, h, d, from -1 to 1 between the outer faces; trilinear.
    """
    z, y, x = (_centres(size, theta) for size in volume.shape[2:])
    turn, shift = theta[:, :, None, None, None, :3].unbind(-1), theta[:, :, None, None, None, 3]  # (b, 3, 1, 1, 1)
    # the sum that F.affine_grid makes; that one has no batching rule, so vmap would loop over it
    points = turn[0] * x + turn[1] * y[:, None] + turn[2] * z[:, None, None] + shift  # (b, 3, d, h, w)
    return F.grid_sample(volume, points.movedim(1, -1), mode="bilinear", padding_mode="zeros", align_corners=False)


def volume_of(layer: str, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The volume (channels, depth, height, width) that one example of `layer`, of this shape, is resampled as.

    Images (c, h, w) are flat, P4 maps (c, 4, h, w) as deep as they have rotations. A student's vector is one channel of
    the fewest square slices, 512 = 2 x 16 x 16; logits are one column.
    """
    if layer == "logits":
        (classes,) = shape
        return 1, 1, classes, 1
    if len(shape) == 1:
        depth, side = square(*shape)
        return 1, depth, side, side
    channels, *depth, height, width = shape
    return channels, *(depth or [1]), height, width


def inplane_affine(angle: Tensor, shift: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """theta (..., 3, 4) under which `resample` shears the picture in x, in y, scales, turns and shifts it; z stays.

    angle and scale (...), shift and shear (..., 2) in x and y, angles in radians. The authors' (torchvision's)
    conventions: a positive angle turns from x to y, which is clockwise as y points down.
    """
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    turn = _matrix([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    shear_y = _matrix([[one, zero], [-shear[..., 1].tan(), one]])
    shear_x = _matrix([[one, -shear[..., 0].tan()], [zero, one]])
    back = (scale[..., None, None] * turn @ shear_y @ shear_x).inverse()  # theta goes from where a point is read
    offset = -(back @ shift[..., None]).squeeze(-1)
    return _matrix(
        [
            [back[..., 0, 0], back[..., 0, 1], zero, offset[..., 0]],
            [back[..., 1, 0], back[..., 1, 1], zero, offset[..., 1]],
            [zero, zero, one, zero],
        ]
    )


def _centres(size: int, like: Tensor) -> Tensor:
    """Coordinates of the centres of `size` cells between -1 and 1."""
    return torch.arange(1 - size, size, 2, dtype=like.dtype, device=like.device) / size


def _identity(shape: tuple[int, ...]) -> Tensor:
    return torch.eye(3, 4).repeat(*shape, 1, 1)


def _inplane(shape: tuple[int, ...]) -> Tensor:
    return inplane_affine(
        angle=_turn(shape),
        shift=torch.empty(*shape, 2).uniform_(-0.1, 0.1),
        scale=torch.empty(shape).uniform_(0.8, 1.2),
        shear=torch.empty(*shape, 2).uniform_(0, math.radians(15)),
    )


def _all_axes(shape: tuple[int, ...]) -> Tensor:
    theta = _inplane(shape)
    theta[..., 2, 3].uniform_(-0.1, 0.1)
    about_x, about_y = _turn(shape), _turn(shape)
    zero, one = torch.zeros(shape), torch.ones(shape)
    turn_x = _matrix(
        [[one, zero, zero], [zero, about_x.cos(), -about_x.sin()], [zero, about_x.sin(), about_x.cos()]],
    )
    turn_y = _matrix(
        [[about_y.cos(), zero, about_y.sin()], [zero, one, zero], [-about_y.sin(), zero, about_y.cos()]],
    )
    return torch.cat([theta[..., :3] @ turn_x @ turn_y, theta[..., 3:]], -1)


def _turn(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape).uniform_(0, 2 * math.pi)


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    """Matrices (..., n, m) from their entries (...)."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


_STARTS = {"identity": _identity, "inplane": _inplane, "all_axes": _all_axes}
