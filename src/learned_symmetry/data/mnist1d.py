"""MNIST-1D (Greydanus 2020): 5,000 generated signals of 40 samples in 10 classes, and their circular shifts.

With ``max_translation=48`` the generator of the package `mnist1d` gives the published arrays; with 1 its own
translation does nothing, which is the set of Nix et al. 2022 (Section 2.2; the shifts are then drawn here).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from learned_symmetry.groups import Shifts
from learned_symmetry.rng import generator

LENGTH = 40
CLASSES = 10
SOURCE = "MNIST-1D, generated"


@dataclass(frozen=True)
class Signals:
    """x (n, 1, 40) float32, standardised over the whole set; y (n,) int64."""

    x: Tensor
    y: Tensor


@lru_cache(maxsize=2)
def generate(max_translation: int) -> tuple[Signals, Signals]:
    """The training pool (4,000) and the test set (1,000). The global random states are left as they were."""
    from mnist1d.data import get_dataset_args, make_dataset  # here, because it imports a plotting library

    arguments = get_dataset_args()
    arguments.max_translation = max_translation
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (the generator seeds the global ones)
    try:
        made = make_dataset(arguments)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    pool, test = (
        Signals(torch.from_numpy(made[f"x{part}"]).float().unsqueeze(1), torch.from_numpy(made[f"y{part}"]).long())
        for part in ("", "_test")
    )
    return pool, test


def shift_range(limit: int, which: Literal["seen", "unseen", "all"]) -> tuple[int, int]:
    """The shifts k with first <= k < last; seen 0..s-1, unseen s..39 (nix2022 D2).

    Edges as in the protocol: with s = 0 only k = 0 is seen and unseen means all; with s = 40 unseen is k = 0.
    """
    if which == "all" or (which == "unseen" and limit == 0):
        return 0, LENGTH
    if which == "seen":
        return 0, max(limit, 1)
    return (limit, LENGTH) if limit < LENGTH else (0, 1)


def shifted(signals: Signals, limit: int, which: Literal["seen", "unseen", "all"], seed: int, split: str) -> Signals:
    """Each signal rolled right by one k, drawn once from the range (nix2022 D3)."""
    first, last = shift_range(limit, which)
    stream = generator(seed, "mnist1d", "shifts", split, f"{first}-{last}")
    k = torch.randint(first, last, (len(signals.y),), generator=stream)
    return Signals(Shifts(LENGTH).act_each(signals.x, k), signals.y)


def splits(
    limit: int, seed: int, *, max_translation: int, validation: int, shifts_per_signal: int
) -> tuple[Signals, Signals, dict[str, Signals]]:
    """Training and validation signals on seen shifts, and the test sets ``seen``, ``unseen`` and ``all``.

    `validation` of the 4,000 are held out. With `shifts_per_signal` = 1 each training signal has one fixed shift (D3);
    more give that many independently shifted copies of the training set, one after another.
    """
    pool, test = generate(max_translation)
    order = torch.randperm(len(pool.y), generator=generator(seed, "mnist1d", "validation"))
    held, kept = (Signals(pool.x[part], pool.y[part]) for part in (order[:validation], order[validation:]))
    copies = [shifted(kept, limit, "seen", seed, f"train{copy}") for copy in range(shifts_per_signal)]
    train = Signals(torch.cat([c.x for c in copies]), torch.cat([c.y for c in copies]))
    tests = {which: shifted(test, limit, which, seed, "test") for which in ("seen", "unseen", "all")}
    return train, shifted(held, limit, "seen", seed, "validation"), tests
