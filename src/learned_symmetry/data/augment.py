"""Augmentations of whole batches, drawn first and applied then: a batch depends on its draws alone.

Those of Bruintjes et al. 2023, Section 4.4 (protocol 3.4), and of SimSiam (Chen and He 2021, Section 3). Images are
(n, c, h, w) uint8, before any normalisation, and what a crop or a turn makes vacant is black. Draws are made on the
CPU; the images may be elsewhere.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Draws = dict[str, Tensor]


class Augmentation(ABC):
    """A random map of images and labels."""

    @abstractmethod
    def draw(self, generator: torch.Generator, size: int) -> Draws:
        """Random numbers for a batch of `size` images, by name."""

    @abstractmethod
    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Images and labels (n,) after the augmentation; or labels (n, classes) as shares, where it mixes them."""

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Drawn and applied: what a training `Run` takes."""
        return self.apply(x, y, self.draw(generator, len(x)))


@dataclass(frozen=True)
class InTurn:
    """Several augmentations of each batch, one after the other; one that mixes labels comes last."""

    augmentations: tuple[Augmentation, ...]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for augmentation in self.augmentations:
            x, y = augmentation(x, y, generator)
        return x, y


@dataclass(frozen=True)
class Standardise:
    """Images (..., c, h, w) uint8 to floats (x / 255 - mean) / std by channel: data sets stay bytes in memory."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = (torch.tensor(numbers, device=x.device).view(-1, 1, 1) for numbers in (self.mean, self.std))
        return (x * (1 / (255 * std))).sub_(mean / std)


@dataclass(frozen=True)
class Crops(Augmentation):
    """Each image is cut from one with `padding` black pixels all around, at its own place."""

    padding: int

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        down, right = torch.randint(2 * self.padding + 1, (2, size), generator=generator)
        return {"down": down, "right": right}

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        n, channels, height, width = x.shape
        padded = F.pad(x, (self.padding,) * 4)
        plane, row = torch.arange(n * channels).view(n, channels, 1), torch.arange(height)
        down, right = (draws[name].view(n, 1, 1) for name in ("down", "right"))
        begins = ((plane * padded.shape[2] + down + row) * padded.shape[3] + right).flatten().to(x.device)
        # Copying whole rows from a view of all that there are is five times as fast as indexing a view of all windows
        return padded.flatten().unfold(0, width, 1).index_select(0, begins).view_as(x), y


@dataclass(frozen=True)
class Flips(Augmentation):
    """Each image is mirrored, left to right, with probability `p`."""

    p: float

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        return {"flipped": torch.rand(size, generator=generator) < self.p}

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        # Copying whole images is four times as fast as `where`
        place = torch.arange(len(x)) + len(x) * draws["flipped"]
        return torch.cat([x, x.flip(-1)]).index_select(0, place.to(x.device)), y


@dataclass(frozen=True)
class Views:
    """Two views of each image, augmented apart: (n, c, h, w) -> (n, 2, c, h, w)."""

    augment: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.stack([self.augment(x, y, generator)[0] for _ in range(2)], 1), y


@dataclass(frozen=True)
class ResizedCrops(Augmentation):
    """Each image is cut to a box of its own and resized to what it was, bilinearly.

    The box has a share of the area from U(least, 1) and a width over height from 3/4 to 4/3, uniform in its logarithm;
    it lies uniformly inside, and is no longer than the image on either side.
    """

    least: float

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        return {"box": torch.rand(4, size, generator=generator)}

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        area, ratio, *place = draws["box"].to(x.device)
        aspect = torch.exp((2 * ratio - 1) * math.log(4 / 3))
        share = torch.lerp(torch.full_like(area, self.least), torch.ones_like(area), area)
        width, height = (torch.sqrt(share * aspect).clamp(max=1), torch.sqrt(share / aspect).clamp(max=1))
        map_ = torch.zeros(len(x), 2, 3, device=x.device)
        for axis, (length, free) in enumerate(zip((width, height), place, strict=True)):
            map_[:, axis, axis] = length
            map_[:, axis, 2] = (1 - length) * (2 * free - 1)
        grid = F.affine_grid(map_, list(x.shape), align_corners=False)
        return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False).round().to(x.dtype), y


@dataclass(frozen=True)
class ColourJitter(Augmentation):
    """With probability `p` an image's brightness, contrast and saturation change, in this order.

    Each by a factor of its own from U(1 - strength, 1 + strength); then, with probability `grey`, colours are lost.
    """

    strength: float
    p: float
    grey: float

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        jittered, greyed = torch.rand(2, size, generator=generator) < torch.tensor([[self.p], [self.grey]])
        factors = 1 + self.strength * (2 * torch.rand(3, size, generator=generator) - 1)
        return {"factors": torch.where(jittered, factors, 1.0), "greyed": greyed}

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        brightness, contrast, saturation = draws["factors"].to(x.device).view(3, -1, 1, 1, 1)
        h = (x.float() * brightness).clamp(0, 255)
        mean = _luminance(h).mean((-2, -1), keepdim=True)
        h = torch.lerp(mean.expand_as(h), h, contrast).clamp(0, 255)
        saturation = torch.where(draws["greyed"].to(x.device).view(-1, 1, 1, 1), 0.0, saturation)
        h = torch.lerp(_luminance(h).expand_as(h), h, saturation)
        return h.clamp(0, 255).round().to(x.dtype), y


def _luminance(x: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, 1, h, w), with the weights of ITU-R BT.601."""
    return torch.tensordot(x, x.new_tensor([0.299, 0.587, 0.114]), dims=([1], [0])).unsqueeze(1)


@dataclass(frozen=True)
class CutMix(Augmentation):
    """With probability `p` a batch's images get a box from each other, and their labels its share (Yun et al. 2019).

    The box, one for the batch, is around a uniform place and has 1 - lambda of the area, with lambda from
    Beta(alpha, alpha), less what lies outside.
    """

    alpha: float
    p: float
    classes: int

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        mixed, centre = torch.rand(1, generator=generator) < self.p, torch.rand(2, generator=generator)
        numbers = np.random.default_rng(torch.randint(2**62, (), generator=generator).item())
        kept = torch.tensor([numbers.beta(self.alpha, self.alpha)])
        return {"mixed": mixed, "centre": centre, "kept": kept, "partner": torch.randperm(size, generator=generator)}

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        y = F.one_hot(y, self.classes).float()
        if not draws["mixed"].item():
            return x, y
        half = 0.5 * math.sqrt(1 - draws["kept"].item())
        (top, bottom), (left, right) = (
            (max(middle - reach, 0), min(middle + reach, length))
            for length, place in zip(x.shape[2:], draws["centre"].tolist(), strict=True)
            for middle, reach in [(int(place * length), int(half * length))]
        )
        partner, x = draws["partner"].to(x.device), x.clone()
        x[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
        share = (bottom - top) * (right - left) / x[0, 0].numel()
        return x, (1 - share) * y + share * y[partner]


@dataclass(frozen=True)
class RandAugment(Augmentation):
    """`operations` random ones of 14 in a row on each image, all of one magnitude, 0 to 30 (Cubuk et al. 2020).

    Operations and magnitudes are torchvision's. Images that have drawn the same one are changed together.
    """

    operations: int
    magnitude: int

    def draw(self, generator: torch.Generator, size: int) -> Draws:
        shape = (self.operations, size)
        return {
            "operation": torch.randint(len(OPERATIONS), shape, generator=generator),
            "negative": torch.randint(2, shape, generator=generator).bool(),
        }

    def apply(self, x: Tensor, y: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        from torchvision.transforms import functional as tv  # here: it takes 2 s, also where nothing is augmented

        x = x.clone()
        for operation, negative in zip(draws["operation"], draws["negative"], strict=True):
            drawn = 2 * operation + (negative & (operation < SIGNED))
            for code in drawn.unique().tolist():
                these = torch.nonzero(drawn == code).squeeze(1).to(x.device)
                x[these] = OPERATIONS[code // 2](tv, x[these], self._amount(-1 if code % 2 else 1))
        return x, y

    def _amount(self, sign: int) -> Callable[[float], float]:
        """The largest amount of an operation -> that of this magnitude; rounded as torchvision has it."""
        return lambda largest: sign * torch.linspace(0, largest, LEVELS + 1)[self.magnitude].item()


def _affine(tv: Any, x: Tensor, *, move: tuple[float, float] = (0, 0), slope: tuple[float, float] = (0, 0)) -> Tensor:
    corner = [0, 0] if any(slope) else None  # a shear leaves the upper left corner where it is
    lean = [math.degrees(math.atan(part)) for part in slope]
    return tv.affine(x, angle=0.0, translate=[int(part) for part in move], scale=1.0, shear=lean, center=corner)


# Those with a sign come first. The largest amounts are torchvision's, which are those of Cubuk et al. 2019
LEVELS, LEAN, TURN, BLEND = 30, 0.3, 30.0, 0.9  # steps; slope; degrees; share
MOVE = 150 / 331  # of an image's side
OPERATIONS: list[Callable[[Any, Tensor, Callable[[float], float]], Tensor]] = [
    lambda tv, x, amount: _affine(tv, x, slope=(amount(LEAN), 0)),
    lambda tv, x, amount: _affine(tv, x, slope=(0, amount(LEAN))),
    lambda tv, x, amount: _affine(tv, x, move=(amount(MOVE * x.shape[-1]), 0)),
    lambda tv, x, amount: _affine(tv, x, move=(0, amount(MOVE * x.shape[-2]))),
    lambda tv, x, amount: tv.rotate(x, amount(TURN)),
    lambda tv, x, amount: tv.adjust_brightness(x, 1 + amount(BLEND)),
    lambda tv, x, amount: tv.adjust_saturation(x, 1 + amount(BLEND)),
    lambda tv, x, amount: tv.adjust_contrast(x, 1 + amount(BLEND)),
    lambda tv, x, amount: tv.adjust_sharpness(x, 1 + amount(BLEND)),
    lambda tv, x, amount: tv.posterize(x, 8 - round(amount(4))),  # bits that stay
    lambda tv, x, amount: tv.solarize(x, 255 - amount(255)),
    lambda tv, x, amount: tv.autocontrast(x),
    lambda tv, x, amount: tv.equalize(x),
    lambda tv, x, amount: x,
]
SIGNED = 9
