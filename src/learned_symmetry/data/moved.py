"""MNIST whose labels ignore how an image was moved, or depend on it: the four tasks of Huang et al. 2024 (2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.data.mnist_images import Images
from learned_symmetry.groups import QuarterTurns, translated
from learned_symmetry.rng import generator

DIGITS = 10
TURNS = QuarterTurns()
KEEPS_LABEL = (0, 3)  # quarter turns counter-clockwise: 0 and, clockwise, 90 degrees (D4)


@dataclass(frozen=True)
class Task:
    """Symmetry: train on images as they are, test on moved ones, ten labels. Breaking: both moved; the label y is
    y + 10 where the image went right, or was turned by 180 or 270 degrees clockwise.

    Attributes:
        group: "t2", whole pixels with zero fill, or "c4", quarter turns.
        max_shift: of a translation, in pixels, along either axis.
        min_right: least distance to the left or right where the label depends on it, so that it can be seen (D6).
    """

    group: Literal["t2", "c4"]
    breaking: bool
    max_shift: int = 0
    min_right: int = 0

    @property
    def classes(self) -> int:
        return 2 * DIGITS if self.breaking else DIGITS

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """Random moves of `size` images, by the names that `moved` takes."""

        def uniform(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (size,), generator=generator)

        if self.group == "c4":
            return {"turn": uniform(0, 3)}
        down, right = uniform(-self.max_shift, self.max_shift), uniform(-self.max_shift, self.max_shift)
        if self.breaking:
            right = uniform(self.min_right, self.max_shift) * (2 * uniform(0, 1) - 1)
        return {"down": down, "right": right}

    def moved(
        self,
        x: Tensor,
        y: Tensor,
        *,
        turn: Tensor | None = None,
        down: Tensor | None = None,
        right: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Images x (n, 1, h, h) moved, and their labels; works under ``torch.vmap``."""
        if self.group == "c4":
            x = TURNS.orbit(x)[turn, torch.arange(len(x), device=x.device)]
            other = (turn != KEEPS_LABEL[0]) & (turn != KEEPS_LABEL[1])
        else:
            x, other = translated(x, down, right), right > 0
        return x, y + DIGITS * other if self.breaking else y

    def test(self, x: Tensor, y: Tensor) -> Images:
        """The test set: all four turns of each image, or one fixed draw of translations (D12)."""
        if self.group == "t2":
            return Images(*self.moved(x, y, **self.draw(generator(0, "huang2024", "test moves"), len(y))))
        turn = torch.arange(TURNS.order).repeat_interleave(len(y))
        return Images(*self.moved(*(part.repeat(TURNS.order, *[1] * (part.dim() - 1)) for part in (x, y)), turn=turn))


def canvas(x: Tensor, downsample: int, pad: int) -> Tensor:
    """Images (n, 1, 28, 28), averaged over squares of `downsample` pixels, on a canvas `pad` wider on each side."""
    return F.pad(F.avg_pool2d(x, downsample), (pad,) * 4)
