"""Fashion-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images of clothing in 10 classes, 28 × 28."""

from __future__ import annotations

from torch import Tensor

from learned_symmetry.config import Settings
from learned_symmetry.data import idx, sources

NAME = "fashion-mnist"
CLASSES = 10


def load(split: str, cfg: Settings) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 28, 28) uint8, 0 is background, and labels (n,) int64; split "train" or "test". See `idx.load`."""
    return idx.load(NAME, split, cfg)


def source(cfg: Settings) -> sources.Source:
    """Where `load` takes them from; its `kind` belongs in the provenance of every result."""
    return sources.settled(NAME, cfg)
