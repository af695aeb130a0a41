"""How the units of a network without positions are laid out in space, so that a group can act on them."""

from __future__ import annotations

import math

from torch import Tensor


def as_signal(activation: Tensor, positions: int) -> Tensor:
    """Vectors (b, c * positions) -> (b, c, positions), channel by channel; signals as they are."""
    return activation.reshape(len(activation), -1, positions)


def square(units: int) -> tuple[int, int]:
    """(channels, side) with the fewest channels that leave a square: 512 units are 2 x 16 x 16 (nix2022, protocol 2.2).

    A vector of any length has one: that of `units` channels of one position.
    """
    return next((c, side) for c in range(1, units + 1) if c * (side := math.isqrt(units // c)) ** 2 == units)


def as_maps(activation: Tensor) -> Tensor:
    """Vectors (b, units) -> (b, c, side, side) by `square`; maps (b, c, h, w) as they are."""
    if activation.dim() == 2:
        channels, side = square(activation.shape[1])
        return activation.unflatten(1, (channels, side, side))
    return activation
