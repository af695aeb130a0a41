"""The experiments of Nix et al. 2022 on MNIST images: what their stages share (Section 5, Tables 1, 2 and 6).

A teacher, a student or an orbit model has the name ``seed0``; each seed has a teacher, a split and students of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.adam import Adam
from learned_symmetry.config.nix2022 import ImageSchedule, Nix2022
from learned_symmetry.data import mnist, mnist_images
from learned_symmetry.data.mnist_images import Images
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.models import cnn, gcnn, mlp, resnet, vit
from learned_symmetry.objective import Objective, Transfer
from learned_symmetry.plateau import PlateauRule
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Rising

PAPER = "nix2022"


@dataclass(frozen=True)
class Setting:
    """Who teaches whom: networks made from the settings, and the hidden layers that are compared, in both by name.

    The two modules name the same `LAYERS`.
    """

    teacher: Callable[[Nix2022], nn.Module]
    student: Callable[[Nix2022], nn.Module]
    layers: tuple[str, ...]
    table: str  # where its numbers stand
    columns: tuple[str, str]  # metric names of the two test sets
    moved: Callable[[Nix2022, Images], Images]  # the second test set, from the first or its first images
    orbit: Literal["kernels", "affine"]  # how Orbit's group elements act


def _translated(cfg: Nix2022, still: Images) -> Images:
    """MNIST-C's translated copies of the test set."""
    x, y = (part[: len(still.y)] for part in mnist_images.translated("test", cfg))
    return Images(mnist_images.unit(x), y)


def _rotated(cfg: Nix2022, still: Images) -> Images:
    """Each image in all four quarter turns (D38)."""
    return Images(*mnist_images.rotated(still.x, still.y))


SETTINGS = {
    "cnn_mlp": Setting(
        teacher=lambda cfg: cnn.CNN(tuple(cfg.images.cnn_channels), cfg.images.dropout),
        student=lambda cfg: mlp.MLP(dropout=cfg.images.dropout),
        layers=mlp.LAYERS,
        table="table1",
        columns=("cnn_mlp_centered", "cnn_mlp_translated"),
        moved=_translated,
        orbit="kernels",
    ),
    "resnet_vit": Setting(
        teacher=lambda cfg: resnet.ResNet18(cfg.images.resnet_width),
        student=lambda cfg: vit.ViT(),
        layers=vit.LAYERS,
        table="table1",
        columns=("resnet_vit_centered", "resnet_vit_translated"),
        moved=_translated,
        orbit="kernels",
    ),
    "gcnn_mlp": Setting(
        teacher=lambda cfg: gcnn.GCNN(cfg.images.gcnn_channels),
        student=lambda cfg: mlp.MLP(dropout=cfg.images.dropout),
        layers=mlp.LAYERS,
        table="table2",
        columns=("upright", "rotated"),
        moved=_rotated,
        orbit="affine",
    ),
}


class Experiment:
    """Data, teachers and orbit models of one setting, each made or read once."""

    def __init__(self, cfg: Nix2022, setting: str) -> None:
        self.cfg, self.name, self.setting = cfg, setting, SETTINGS[setting]
        self.schedules = cfg.images.settings[setting]
        self.device = record.resolve_device(cfg.engine.device)
        self.source = f"MNIST, {mnist.source(cfg).kind}"
        if self.setting.moved is _translated:
            self.source += f"; {mnist_images.origin(cfg)}"
        self.splits = lru_cache(maxsize=None)(self._splits)
        self.tests = lru_cache(maxsize=None)(self._tests)
        self.teacher = lru_cache(maxsize=None)(self._teacher)

    # ---- data ------------------------------------------------------------------------------------------------------

    def _splits(self, seed: int, images: int | None, valid: int | None, translated: bool) -> tuple[Images, Images]:
        """Training and validation images, of MNIST or of MNIST-C's translated copy (the Augment control)."""
        if translated:
            x, y = mnist_images.translated("train", self.cfg)
        else:
            x, y = mnist.load("train", self.cfg)
        return mnist_images.splits(x, y, seed, self.cfg.images.validation, train_images=images, valid_images=valid)

    def _tests(self, images: int | None) -> tuple[Images, Images]:
        """The test set, or its first `images`, as it is, and moved."""
        x, y = mnist.load("test", self.cfg)
        still = Images(mnist_images.unit(x[:images]), y[:images])
        return still, self.setting.moved(self.cfg, still)

    # ---- runs ------------------------------------------------------------------------------------------------------

    def run(
        self, network: nn.Module, objective: Objective, seed: int, schedule: ImageSchedule, translated: bool = False
    ) -> Run:
        """A network on its seed's split, not yet trained."""
        train, valid = self.splits(seed, schedule.images, schedule.valid, translated)
        optimiser = self.cfg.images.optimiser
        return Run(
            name=f"seed{seed}",
            seed=seed,
            network=network,
            objective=objective,
            train={"x": train.x, "y": train.y},
            valid={"x": valid.x, "y": valid.y},
            lr=schedule.lr or optimiser.lr,
            weight_decay=optimiser.weight_decay,
        )

    def make(self, build: Callable[[Nix2022], nn.Module], seed: int, purpose: str) -> nn.Module:
        return models.seeded(lambda: build(self.cfg), generator(seed, f"{self.name} {purpose}"))

    def student_run(self, objective: Transfer, seed: int, schedule: ImageSchedule, translated: bool = False) -> Run:
        """A student, beside what its method compares of the teacher: cached, or the teacher itself."""
        run = self.run(self.make(self.setting.student, seed, "student"), objective, seed, schedule, translated)
        if objective.teacher is not None:
            run.constants.update(self.teacher_weights(seed))
        elif objective.layers and objective.compares:
            run.train.update(self.digests(self.teacher(seed), run.train["x"], objective))
        return run

    def compared(self, method: str) -> dict[str, Any]:
        """Which layers a method compares; RDL asks the teacher anew in each step, for its activations of a whole data
        set would fill the memory (519 kB an image of the CNN's)."""
        hidden = self.setting.layers
        return {
            "attention": {"layers": hidden},
            "rdl": {"layers": (*hidden, "logits"), "teacher": self.architecture},
        }.get(method, {})

    # ---- teachers --------------------------------------------------------------------------------------------------

    @cached_property
    def architecture(self) -> nn.Module:
        """The one module of objectives that ask a teacher, so that their runs can stack; batches have its weights."""
        return self._untrained()

    def _untrained(self) -> nn.Module:
        return self.setting.teacher(self.cfg).requires_grad_(False).eval()

    def _teacher(self, seed: int) -> nn.Module:
        stage = f"image_teacher_{self.name}"
        teacher = record.restore(self._untrained(), self.cfg.scale, PAPER, stage, f"seed{seed}")
        return teacher.to(self.device)

    def teacher_weights(self, seed: int) -> dict[str, Tensor]:
        return {f"weights.{name}": weight for name, weight in self.teacher(seed).state_dict().items()}

    def digests(self, teacher: nn.Module, x: Tensor, method: Transfer, chunk: int = 250) -> dict[str, Tensor]:
        """What `method` compares of the teacher, for all images: ``teacher.LAYER`` (n, ...)."""
        parts: dict[str, list[Tensor]] = {f"teacher.{layer}": [] for layer in method.layers}
        with torch.no_grad():
            for images in x.split(chunk):
                seen = models.features(teacher, images.to(self.device), method.layers)
                for layer in method.layers:
                    parts[f"teacher.{layer}"].append(method.digest(seen[layer]))
        return {name: torch.cat(kept) for name, kept in parts.items()}

    # ---- training and testing --------------------------------------------------------------------------------------

    def recipe(self, images: int, schedule: ImageSchedule) -> Recipe:
        """How protocol 2.2 trains: Adam, shuffled epochs, warm-up, validated after each, restored at a plateau."""
        optimiser, shared = self.cfg.images.optimiser, self.cfg.optimiser
        epoch = -(-images // schedule.batch)
        plateau = PlateauRule(
            schedule.patience, optimiser.decay, optimiser.plateaus, floor=optimiser.floor, restore=optimiser.restore
        )
        return Recipe(
            steps=schedule.epochs * epoch,
            batch=schedule.batch,
            evaluate_every=epoch,
            keep=plateau,
            optimiser=Adam((shared.beta1, shared.beta2), shared.eps),
            order="shuffled",
            schedule=Rising(schedule.warmup, epoch),
            stack=self.cfg.engine.stack,
            checkpoint_seconds=self.cfg.engine.checkpoint_seconds,
        )

    def fit(self, runs: list[Run], schedule: ImageSchedule, scratch: Path, label: str) -> list[Fitted]:
        """Train runs that have equally many images."""
        recipe = self.recipe(len(runs[0].train["y"]), schedule)
        return fit(runs, recipe, scratch=scratch, device=self.device, label=label)

    def scores(self, network: nn.Module, images: int | None = None) -> dict[str, float]:
        """Accuracy on both test sets, or on their first `images`."""
        network = network.to(self.device)
        return {
            column: accuracy(network, test.x.to(self.device), test.y.to(self.device), chunk=250)
            for column, test in zip(self.setting.columns, self.tests(images), strict=True)
        }

    def keep(self, out: record.Stage, row: str, fitted: list[Fitted], table: str = "", **about: Any) -> None:
        """Keep trained runs and their scores over the seeds as metrics of `row`, of the setting's table or another."""
        images = getattr(self.schedules.test_images, "teacher" if row == "teacher" else "student")
        scores = [{} if done.dropped else self.scores(done.network(), images) for done in fitted]
        for done, found in zip(fitted, scores, strict=True):
            out.runs.append(done.record(found, setting=self.name, row=row, **about))
        for column in self.setting.columns:
            metric = f"{self.setting.table}.{row}.{column}"
            if table:
                metric = f"{table}.{row}.{column.removeprefix(f'{self.name}_')}"
            out.metric(metric, [found.get(column) for found in scores])
