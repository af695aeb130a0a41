"""The experiments of Bökman and Kahl 2023 with VGG11 on CIFAR-10: what their stages share (protocol 2.2 to 2.4).

Networks are of a kind, a row of Table 1, and have the name ``KIND/seed0``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.data import cifar10
from learned_symmetry.data.augment import Augmentation, Crops, Flips, InTurn, Standardise
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.invariance_loss import FlipInvariance
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.models.vgg import LAYERS, VGG11, plain
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.record import restore
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Triangle
from learned_symmetry.sgd import SGD

PAPER = "bokman2023"


@dataclass(frozen=True)
class Kind:
    """A row of Table 1: how many layers are flip-equivariant, and how the network is trained."""

    equivariant: int = 0
    flips: bool = True
    invariance: Literal["none", "whole", "late"] = "none"


KINDS = {
    "cnn": Kind(),
    "cnn_noaug": Kind(flips=False),
    "cnn_inv": Kind(invariance="whole"),
    "cnn_lateinv": Kind(invariance="late"),
    "gcnn": Kind(LAYERS),
    "pgcnn": Kind(2),
    "pgcnn_lateinv": Kind(2, invariance="late"),
}
LOSSES = {  # stage of training -> the kinds whose loss it is
    "plain": tuple(name for name, kind in KINDS.items() if kind.invariance == "none"),
    "invariance": tuple(name for name, kind in KINDS.items() if kind.invariance != "none"),
}


def trained_by(kind: str) -> str:
    """The stage that trains a kind."""
    return f"vgg_train_{next(loss for loss, kinds in LOSSES.items() if kind in kinds)}"


class Experiment:
    """Data and networks, each made or read once."""

    def __init__(self, cfg: Bokman2023) -> None:
        self.cfg, self.training = cfg, cfg.vgg.training
        self.device = record.resolve_device(cfg.engine.device)
        self.source = cifar10.source(cfg).kind
        self.standardise = Standardise(tuple(self.training.mean), tuple(self.training.std))

    # ---- data ------------------------------------------------------------------------------------------------------

    @cached_property
    def test(self) -> tuple[Tensor, Tensor]:
        """The first test images as a network takes them, and their labels."""
        x, y = self.images("test", self.cfg.vgg.merging.test_images)
        return self.standardise(x.to(self.device)), y.to(self.device)

    def images(self, split: str, limit: int) -> tuple[Tensor, Tensor]:
        """The first images (n, 3, size, size) uint8 of a split, made smaller by averaging squares, and their labels."""
        x, y = cifar10.load(split, self.cfg, limit)
        return F.avg_pool2d(x.float(), x.shape[-1] // self.training.image_size).round().byte(), y

    def augmentation(self, *, flips: bool) -> InTurn:
        """Random flips, then random crops, afresh in every step (protocol 2.2)."""
        mirrored: tuple[Augmentation, ...] = (Flips(self.training.flip_probability),) if flips else ()
        return InTurn((*mirrored, Crops(self.training.crop_padding)))

    def accuracy(self, network: nn.Module) -> float:
        return accuracy(network, *self.test)

    # ---- training --------------------------------------------------------------------------------------------------

    def network(self, kind: str, seed: int) -> VGG11:
        """A network as it is before training."""
        block = self.training

        def build() -> VGG11:
            made = VGG11(block.width, KINDS[kind].equivariant)
            for convolution, _ in made.layers:
                convolution.weight.data.mul_(block.init_gain)
            return made

        return models.seeded(build, generator(seed, "network"))

    @property
    def epoch(self) -> int:
        """Steps."""
        return -(-self.training.images // self.training.batch)

    def runs(self, kinds: Iterable[str]) -> list[Run]:
        """All seeds of these kinds. What is validated are test images: nothing is chosen by them."""
        block = self.training
        x, y = self.images("train", block.images)
        seen, labels = self.images("test", block.validation_images)
        return [
            Run(
                name=f"{kind}/seed{seed}",
                seed=seed,
                network=self.network(kind, seed),
                objective=self.objective(kind),
                train={"x": x, "y": y},
                valid={"x": seen, "y": labels},
                lr=block.lr,
                weight_decay=block.weight_decay,
                augment=self.augmentation(flips=KINDS[kind].flips),
                prepare=self.standardise,
            )
            for kind in kinds
            for seed in range(block.seeds)
        ]

    def objective(self, kind: str) -> CrossEntropy:
        block, invariance = self.training, KINDS[kind].invariance
        if invariance == "none":
            return CrossEntropy()
        late = round(block.late_start * block.epochs * self.epoch) if invariance == "late" else 0
        return FlipInvariance(block.invariance_weight, late)

    def fit(self, runs: Sequence[Run], scratch: Path, label: str) -> list[Fitted]:
        """SGD with a triangle of learning rates; the last weights are kept (protocol 2.4)."""
        block, engine = self.training, self.cfg.engine
        steps = self.epoch * block.epochs
        recipe = Recipe(
            steps=steps,
            batch=block.batch,
            evaluate_every=self.epoch,
            keep="last",
            optimiser=SGD(block.momentum),
            order="shuffled",
            schedule=Triangle(round(block.warmup_epochs * self.epoch), steps),
            stack=engine.stack,
            checkpoint_seconds=engine.checkpoint_seconds,
            bfloat16=block.bfloat16,
        )
        return fit(runs, recipe, scratch=scratch, device=self.device, label=label)

    def trained(self, kind: str, seed: int) -> VGG11 | None:
        """A trained network, or None where its run was dropped. Raises `UserError` where its stage has not run."""
        dropped = record.read_result(self.cfg.scale, PAPER, trained_by(kind))["provenance"]["dropped"]
        return None if f"{kind}/seed{seed}" in dropped else self.kept(kind, seed)

    def kept(self, kind: str, seed: int) -> VGG11:
        """A trained network that was not dropped, written out."""
        network = restore(self.network(kind, seed), self.cfg.scale, PAPER, trained_by(kind), f"{kind}/seed{seed}")
        return plain(network.requires_grad_(False).eval()).to(self.device)
