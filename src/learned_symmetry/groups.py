"""Finite groups that act on signals, images and feature maps, and moves that lose what leaves the image.

Elements are the integers 0..order-1 and 0 is the identity. Every action moves the last one or two axes, so the same
group acts on an input and on a feature map of another resolution.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor


class Moves(ABC):
    """Ways T_g to move an input, each with its counterpart on feature maps.

    Attributes:
        order: number of elements, with the identity.
        permutes: whether T_g only permutes positions, so that a map's mean and norm stay what they are.
    """

    order: int
    permutes: ClassVar[bool] = False

    @abstractmethod
    def act(self, x: Tensor, g: int) -> Tensor:
        """x (..., *space) moved by element g; a new tensor of the same shape. Raises ValueError where g cannot act."""

    @abstractmethod
    def aligned(self, still: Tensor, moved: Tensor, g: int, stride: int) -> tuple[Tensor, Tensor] | None:
        """T_g f(x) and f(T_g x) where they can be compared, from f(x) and f(T_g x) (..., *space) of one layer.

        `stride` is how many input pixels one step on the map is. None where too little is left to compare.
        """

    def orbit(self, x: Tensor) -> Tensor:
        """All moved copies of x: (order, *x.shape)."""
        return torch.stack([self.act(x, g) for g in range(self.order)])


class Group(Moves):
    """A finite group with an action on tensors that permutes their positions."""

    permutes = True

    @abstractmethod
    def compose(self, g: int, h: int) -> int:
        """The element that acts as h first, then g."""

    def inverse(self, g: int) -> int:
        """The element that undoes g."""
        return next(h for h in range(self.order) if self.compose(g, h) == 0)

    def aligned(self, still: Tensor, moved: Tensor, g: int, stride: int) -> tuple[Tensor, Tensor]:
        return self.act(still, g), moved

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


class DiagonalShifts(Moves):
    """Element s moves an image s pixels right and s down, for s = 0..limit (bruintjes2023, protocol 2.4). No group:
    what leaves is lost.

    On a map of stride r the shift is d = s / r steps. `fractional` says how a broken d acts: ``bilinear`` interpolates,
    ``round`` takes the nearest whole step, ``exact`` leaves the pair out. Rows and columns below ceil(d) have no source
    and are not compared, and neither is a pair of which fewer than `least` positions remain.

    Attributes:
        fill: pixel value of what becomes vacant, one for all or one a channel; ``roll`` fills it with what leaves.
    """

    def __init__(
        self,
        limit: int,
        fill: float | Sequence[float] | Literal["roll"] = 0.0,
        fractional: Literal["bilinear", "round", "exact"] = "bilinear",
        least: int = 9,
    ) -> None:
        self.order = limit + 1
        self.fill, self.fractional, self.least = fill, fractional, least

    def act(self, x: Tensor, g: int) -> Tensor:
        if g >= min(x.shape[-2:]):
            raise ValueError(f"a shift by {g} leaves nothing of a map of {tuple(x.shape[-2:])}")
        moved = x.roll((g, g), (-2, -1))
        if self.fill != "roll":
            fill = torch.as_tensor(self.fill, dtype=x.dtype, device=x.device).view(-1, 1, 1)
            moved[..., :g, :] = fill
            moved[..., :g] = fill
        return moved

    def aligned(self, still: Tensor, moved: Tensor, g: int, stride: int) -> tuple[Tensor, Tensor] | None:
        whole, part = divmod(g, stride)
        if self.fractional == "round":
            whole, part = math.floor(g / stride + 0.5), 0
        if part and self.fractional == "exact":
            return None
        for axis in (-2, -1):  # one after the other: bilinear
            near = still.roll(whole, axis)
            still = torch.lerp(near, near.roll(1, axis), part / stride) if part else near
        if self.fill == "roll":
            return still, moved
        lost = whole + bool(part)
        still, moved = still[..., lost:, lost:], moved[..., lost:, lost:]
        return (still, moved) if still.shape[-2] * still.shape[-1] >= self.least else None


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
