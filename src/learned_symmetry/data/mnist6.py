"""MNIST6 and its turned variants (Bruintjes et al. 2023, Section 4.3; protocol 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from learned_symmetry.groups import QuarterTurns
from learned_symmetry.rng import generator

DIGITS = (2, 3, 4, 5, 7, 9)  # without 0, 1, 6 and 8, which a turn takes to themselves or to one another
CLASSES = {"mnist6": 6, "rotinv": 6, "roteq": 24}  # by task
TURNS = QuarterTurns()


def kept(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Those of MNIST's images (n, 1, 28, 28) whose digit is kept, in their order; labels 0..5 in that of `DIGITS`."""
    place = torch.full((10,), -1)
    place[list(DIGITS)] = torch.arange(len(DIGITS))
    found = place[labels]
    return images[found >= 0], found[found >= 0]


def task(name: str, images: Tensor, labels: Tensor, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels of a task, from those that are `kept`. Raises KeyError for a name that is not in `CLASSES`.

    Every image of ``rotinv`` and ``roteq`` is turned once, up front, by k quarter turns, from a stream that is the same
    for both and for every seed. The label stays the digit's, d, or for ``roteq`` becomes 4 d + k.
    """
    if name == "mnist6":
        return images, labels
    k = torch.randint(TURNS.order, (len(labels),), generator=generator(0, "mnist6", "turns", split))
    told = {"rotinv": labels, "roteq": TURNS.order * labels + k}
    return TURNS.act_each(images, k), told[name]
