"""The 7-layer CNNs of Bruintjes et al. 2023 on MNIST6 and its turned variants (Section 4.3; protocol 3.3)."""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor, nn

from learned_symmetry import models
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import mnist, mnist6
from learned_symmetry.data.augment import Standardise
from learned_symmetry.models.cnn7 import CNN7
from learned_symmetry.rng import generator
from learned_symmetry.supervised import Labelled

PAPER = "bruintjes2023"
STAGE = "train_mnist6"
TASKS = tuple(mnist6.CLASSES)


class Digits:
    """Data and networks of the three tasks."""

    def __init__(self, cfg: Bruintjes2023) -> None:
        self.cfg, self.source = cfg, mnist.source(cfg).kind
        self.prepare = Standardise((cfg.mnist6.mean,), (cfg.mnist6.std,))
        self.kept = lru_cache(maxsize=None)(lambda split: mnist6.kept(*mnist.load(split, cfg)))

    def data(self, task: str, split: str, limit: int | None) -> Labelled:
        """The first images of a task's "train" or "test"."""
        images, labels = mnist6.task(task, *self.kept(split), split)
        return images[:limit], labels[:limit]

    @staticmethod
    def unturned(task: str, labels: Tensor) -> Tensor:
        """The labels that a task gives to digits (n,) which are not turned."""
        return mnist6.TURNS.order * labels if task == "roteq" else labels

    def network(self, task: str, seed: int) -> nn.Module:
        """A network as it is before training."""
        block = self.cfg.mnist6
        return models.seeded(
            lambda: CNN7(mnist6.CLASSES[task], block.channels, block.padding), generator(seed, "network")
        )

    @staticmethod
    def name(task: str, seed: int) -> str:
        return f"{task}/seed{seed}"
