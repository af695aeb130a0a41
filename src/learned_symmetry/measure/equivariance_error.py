"""How well a layer moves with its input: the error of moving before against moving after (huang2024 protocol 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from learned_symmetry.groups import Group

Layer = Callable[[Tensor], Tensor]


@torch.no_grad()
def relative_error(found: Tensor, wanted: Tensor) -> float:
    """||found - wanted||² / ||wanted||² over all entries."""
    return ((found - wanted).square().sum() / wanted.square().sum()).item()


@torch.no_grad()
def translation_error(layer: Layer, scene: Tensor, size: int, shifts: Sequence[int]) -> float:
    """Mean over `shifts` s, down and to the right, of ||layer(T x) - T layer(x)||² / ||layer(x)||² on the overlap.

    Windows of `size` pixels of a larger `scene` (n, ..., h, h), h >= size + max(shifts), so that nothing has to be
    filled in. `layer` maps (n, ..., size, size) to (n, ..., m, m).
    """
    still = layer(scene[..., :size, :size])
    errors = []
    for s in shifts:
        for down, right in ((s, 0), (0, s)):
            moved = layer(scene[..., down : down + size, right : right + size])
            kept = still[..., down:, right:]
            errors.append(relative_error(moved[..., : kept.shape[-2], : kept.shape[-1]], kept))
    return sum(errors) / len(errors)


@torch.no_grad()
def turning_error(layer: Layer, x: Tensor, group: Group) -> float:
    """Mean over the group but its identity of ||layer(g x) - g layer(x)||² / ||layer(x)||².

    `layer` maps (n, J, h, h) to (n, ..., R, m, m); g moves the positions and rolls the J and R channels, which are
    one, for images, or |G|.
    """

    def moved(z: Tensor, g: int) -> Tensor:
        return group.act(z, g).roll(g, -3)

    still = layer(x)
    errors = [relative_error(layer(moved(x, g)), moved(still, g)) for g in range(1, group.order)]
    return sum(errors) / len(errors)
