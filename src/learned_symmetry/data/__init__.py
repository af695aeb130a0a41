"""Data sets as resident tensors, one module each; `sources` finds their files.

``load("mnist", "train", cfg)`` is for code to which the data set is a parameter. A stage that always uses one imports
its module (``from learned_symmetry.data import mnist``), so that it can be seen which files the stage depends on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from learned_symmetry.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from learned_symmetry.config import Settings

LOADERS = {  # name in data/sources.yaml -> module of learned_symmetry.data, imported when first used
    "mnist": "mnist",
    "fashion-mnist": "fashion_mnist",
    "cifar10": "cifar10",
}


def load(name: str, split: str, cfg: Settings) -> tuple[Tensor, Tensor]:
    """Images and int64 labels of one split. Raises `UserError` for a name that is not in `LOADERS`."""
    if name not in LOADERS:
        raise UserError(f"{name!r} is no data set with a loader; there are {', '.join(LOADERS)}")
    return importlib.import_module(f"learned_symmetry.data.{LOADERS[name]}").load(split, cfg)
