"""Transforming-MNIST and Transforming-FMNIST of Moskalev et al. 2023 before they transform (protocol 2.2), and drift.

Training and test images are pooled, the last class is dropped, and what is left is shuffled once and split. Images are
padded, then normalised by one mean and one standard deviation, so that both commute with the groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.data import fashion_mnist, mnist
from learned_symmetry.errors import UserError
from learned_symmetry.rng import generator

SETS = {"mnist": mnist, "fashion-mnist": fashion_mnist}


class Part(NamedTuple):
    """Normalised images x (n, 1, 36, 36) float32 and labels y (n,) int64, 0 to 8."""

    x: Tensor
    y: Tensor

    def first(self, n: int | None) -> Part:
        return Part(self.x[:n], self.y[:n])


@dataclass(frozen=True)
class Transforming:
    train: Part
    valid: Part
    test: Part
    black: float  # what a background pixel is after normalisation


def load(name: str, cfg: Moskalev2023, test_images: int | None = None) -> Transforming:
    """One of `SETS`, split and normalised; of the test part at most its first `test_images`.

    Raises `UserError` where the set has too few images for the split. A stand-in is split in the same proportions.
    """
    block, module = cfg.data_set, SETS[name]
    images, labels = (torch.cat(both) for both in zip(*(module.load(s, cfg) for s in ("train", "test")), strict=True))
    kept = torch.nonzero(labels != block.dropped_class).squeeze(1)
    sizes = [block.train, block.validation, block.test]
    if sum(sizes) > len(kept):
        if module.source(cfg).kind != "stand-in":
            raise UserError(
                f"params.yaml: moskalev2023.data_set asks for {sum(sizes)} images of {name}, which has {len(kept)}"
                " beside the dropped class; lower train, validation or test"
            )
        sizes = [size * len(kept) // sum(sizes) for size in sizes]
    order = kept[torch.randperm(len(kept), generator=generator(block.split_seed, "transforming", name))]
    rows = dict(zip(("train", "valid", "test"), order.split([*sizes, len(order) - sum(sizes)])[:3], strict=True))
    rows["test"] = rows["test"][:test_images]
    padded = {part: F.pad(images[index], (block.pad,) * 4).float().div_(255) for part, index in rows.items()}
    mean, std = padded["train"].mean(), padded["train"].std()
    parts = {part: Part(x.sub_(mean).div_(std), labels[rows[part]]) for part, x in padded.items()}
    return Transforming(**parts, black=(-mean / std).item())


def partners(y: Tensor, other: Tensor, seed: int) -> Tensor:
    """For each label of y (n,) the index of an example of `other` (m,) with the same label; cyclic where they run out.

    Which comes first is shuffled by `seed`. Raises ValueError for a label that `other` lacks.
    """
    order = torch.randperm(len(other), generator=generator(seed, "drift"))
    found = torch.empty_like(y)
    for label in y.unique().tolist():
        there, here = order[other[order] == label], y == label
        if not len(there):
            raise ValueError(f"no partner has label {label}")
        found[here] = there[torch.arange(int(here.sum())) % len(there)]
    return found


def blended(x: Tensor, other: Tensor, beta: float) -> Tensor:
    """Drifted images (1 - beta) x + beta other (moskalev2023, Section 4.3)."""
    return torch.lerp(x, other, beta)
