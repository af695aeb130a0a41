"""Finite groups that act on signals, images and feature maps.

Elements are the integers 0..order-1 and 0 is the identity. Every action moves the last one or two axes, so the same
group acts on an input and on a feature map of another resolution.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Group(ABC):
    """A finite group with an action on tensors.

    Attributes:
        order: number of elements |G|.
    """

    order: int

    @abstractmethod
    def act(self, x: Tensor, g: int) -> Tensor:
        """x (..., *space) moved by element g; a new tensor of the same shape. Raises ValueError where g cannot act."""

    @abstractmethod
    def compose(self, g: int, h: int) -> int:
        """The element that acts as h first, then g."""

    def inverse(self, g: int) -> int:
        """The element that undoes g."""
        return next(h for h in range(self.order) if self.compose(g, h) == 0)

    def orbit(self, x: Tensor) -> Tensor:
        """All moved copies of x: (order, *x.shape)."""
        return torch.stack([self.act(x, g) for g in range(self.order)])

    def sources(self, *space: int) -> Tensor:
        """Where a moved map takes its entries from, (order, prod(space)): act(x, g) is x.flatten()[sources[g]].

        Unlike `act` it serves an element that is not known before the program runs, under `torch.vmap` too.
        """
        return self.orbit(torch.arange(math.prod(space)).reshape(space)).flatten(1)

    def act_each(self, x: Tensor, g: Tensor) -> Tensor:
        """x (n, ..., *space), each example moved by its own element g (n,)."""
        moved = torch.empty_like(x)
        for element in g.unique().tolist():
            chosen = g == element
            moved[chosen] = self.act(x[chosen], element)
        return moved


def _step(offset: int, length: int, resolution: int) -> int:
    """`offset` samples of an input of `resolution` samples, in samples of a map of `length`."""
    if (offset * length) % resolution:
        raise ValueError(f"a shift by {offset} of {resolution} is no whole number of steps on a map of {length}")
    return offset * length // resolution


def _check_square(x: Tensor) -> None:
    if x.shape[-2] != x.shape[-1]:
        raise ValueError(f"the group acts on square maps, not on {tuple(x.shape[-2:])}")


class Shifts(Group):
    """Circular shifts of a signal of `length` samples to the right; C_length."""

    def __init__(self, length: int) -> None:
        self.order = length

    def act(self, x: Tensor, g: int) -> Tensor:
        return x.roll(_step(g, x.shape[-1], self.order), -1)

    def compose(self, g: int, h: int) -> int:
        return (g + h) % self.order


class Translations(Group):
    """Circular translations of an image of `size` pixels a side; element g moves g // size down and g % size right."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.order = size * size

    def act(self, x: Tensor, g: int) -> Tensor:
        _check_square(x)
        down, right = divmod(g, self.size)
        moves = (_step(down, x.shape[-2], self.size), _step(right, x.shape[-1], self.size))
        return x.roll(moves, (-2, -1))

    def compose(self, g: int, h: int) -> int:
        down, right = g // self.size + h // self.size, g % self.size + h % self.size
        return down % self.size * self.size + right % self.size


class QuarterTurns(Group):
    """Rotations of the last two axes by 0, 90, 180, 270 degrees counter-clockwise; C_4."""

    order = 4

    def act(self, x: Tensor, g: int) -> Tensor:
        _check_square(x)
        return x.rot90(g, (-2, -1))

    def compose(self, g: int, h: int) -> int:
        return (g + h) % 4


class Flip(Group):
    """Left-right mirroring of the last axis; C_2."""

    order = 2

    def act(self, x: Tensor, g: int) -> Tensor:
        return x.flip(-1) if g else x.clone()

    def compose(self, g: int, h: int) -> int:
        return (g + h) % 2


def translated(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images x (n, ..., h, w), each moved by its own whole pixels down (n,) and right (n,), zeros where it came from.

    No group acts here: what leaves the image is lost. Works under ``torch.vmap``.
    """
    for axis, offset in ((-2, down), (-1, right)):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) - offset.unsqueeze(-1)  # (n, size)
        shape = [len(x), *(1,) * (x.dim() - 1)]
        shape[axis] = size
        index = source.clamp(0, size - 1).view(shape).expand_as(x)
        inside = (source == source.clamp(0, size - 1)).view(shape)
        x = x.gather(axis, index) * inside
    return x
