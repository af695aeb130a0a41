"""The experiments of Huang et al. 2024: what their stages share.

The classifiers of a seed are made of that seed's clones.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.cloning.classify import Classify
from learned_symmetry.cloning.clone import Clone, ClonedConv, Layer, freeze
from learned_symmetry.cloning.training import PAPER, clone_name, layers, recipe
from learned_symmetry.config.huang2024 import Group, Huang2024, Training
from learned_symmetry.data import mnist, mnist_images, moved
from learned_symmetry.data.mnist_images import Images
from learned_symmetry.fit import Fitted, Run, fit
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.models.classifier import Build, Convolutional, Dense, convolutional, true_layer
from learned_symmetry.rng import generator


def load_clone(cfg: Huang2024, group: Group, layer: Layer, size: int, blocks: int, seed: int) -> Clone:
    """A trained clone. Raises `UserError` where its stage has not run."""
    name = clone_name(layer, size, f"b{blocks}", seed)
    return record.restore(Clone(layer, size, blocks), cfg.scale, PAPER, f"clone_{group}", name)


class Experiment:
    """Data, clones and classifiers of one group."""

    def __init__(self, cfg: Huang2024, group: Group) -> None:
        self.cfg, self.group = cfg, group
        self.device = record.resolve_device(cfg.engine.device)
        self.source = mnist.source(cfg).kind
        self.size = cfg.canvas.size(group)
        self.split = lru_cache(maxsize=None)(self._split)

    # ---- data ------------------------------------------------------------------------------------------------------

    def canvas(self, x: Tensor) -> Tensor:
        """Bytes (n, 1, 28, 28) -> the images that the models see."""
        block = self.cfg.canvas
        return moved.canvas(
            mnist_images.unit(x), block.downsample, block.t2_pad if self.group == "t2" else block.c4_pad
        )

    def task(self, name: str) -> moved.Task:
        block = self.cfg.canvas
        return moved.Task(self.group, name == "breaking", block.max_shift, block.min_right)

    def _split(self, seed: int, images: int | None) -> tuple[Images, Images]:
        """Training and validation images on the canvas."""
        x, y = mnist.load("train", self.cfg)
        order = torch.randperm(len(y), generator=generator(seed, "validation"))
        held = self.cfg.tasks.validation
        parts = order[held:][:images], order[:held]
        train, valid = (Images(self.canvas(x[part]), y[part]) for part in parts)
        return train, valid

    @cache  # noqa: B019  two tasks in a process
    def test(self, task: str) -> Images:
        x, y = mnist.load("test", self.cfg)
        x, y = x[: self.cfg.test_images], y[: self.cfg.test_images]
        return self.task(task).test(self.canvas(x), y)

    # ---- classifiers -----------------------------------------------------------------------------------------------

    def mlp(self, task: str, seed: int) -> Dense:
        widths = [self.size**2, *getattr(self.cfg.classifiers.mlp, task), self.task(task).classes]
        return models.seeded(lambda: Dense(widths), generator(seed, "mlp", self.group, task))

    def convolution(self, task: str, seed: int) -> Convolutional:
        """The CNN or GCNN with the layers that are cloned."""
        block = self.cfg.classifiers
        return self._convolutional(block.cnn if self.group == "t2" else block.gcnn, task, seed, true_layer(self.group))

    def cloned(self, task: str, seed: int, blocks: int, *, frozen: bool) -> Convolutional:
        """The same with trained clones, at most the channels of `classifiers.cloned`."""
        clones = [
            load_clone(self.cfg, self.group, layer, size, blocks, seed) for layer, size in layers(self.group, self.size)
        ]

        def layer(number: int, channels: int, out: int) -> ClonedConv:
            return ClonedConv(freeze(clones[number]) if frozen else clones[number], channels, out)

        return self._convolutional(self.cfg.classifiers.cloned, task, seed, layer)

    def _convolutional(self, channels: list[int], task: str, seed: int, layer: Build) -> Convolutional:
        block = self.cfg.classifiers

        def build() -> Convolutional:
            over = block.pooled[self.group]
            classes = self.task(task).classes
            return convolutional(self.group, channels, over, block.hidden, block.dropout, classes, layer)

        return models.seeded(build, generator(seed, "classifier", self.group, task))

    # ---- training --------------------------------------------------------------------------------------------------

    def run(self, name: str, network: nn.Module, objective: Classify, seed: int, training: Training) -> Run:
        """A classifier, not yet trained, beside what its objective needs: frozen clones, or where clones started."""
        train, valid = self.split(seed, training.images)
        buffers = {n: b for n, b in network.named_buffers() if ".clone." in n}
        constants = {f"weights.{n}": b for n, b in buffers.items()}
        anchors = objective.penalised(network)
        constants |= {f"anchor.{n}": network.get_parameter(n).detach().clone() for n in anchors}
        return Run(
            name=name,
            seed=seed,
            network=network,
            objective=objective,
            train={"x": train.x, "y": train.y},
            valid={"x": valid.x, "y": valid.y},
            lr=training.lr,
            weight_decay=training.weight_decay,
            constants=constants,
        )

    def fit(self, runs: list[Run], training: Training, scratch: Path, label: str) -> list[Fitted]:
        """Train as protocol 2.3 says: shuffled epochs, after each of which the rate falls."""
        epoch = -(-len(runs[0].train["y"]) // training.batch)
        taken = recipe(
            self.cfg,
            self.cfg.tasks.decay,
            steps=training.epochs * epoch,
            batch=training.batch,
            evaluate_every=epoch,
            order="shuffled",
            decoupled=training.decoupled,
        )
        return fit(runs, taken, scratch=scratch, device=self.device, label=label)

    def keep(self, out: record.Stage, row: str, task: str, fitted: list[Fitted]) -> None:
        """Keep trained runs, their accuracy on the task's test set, and its mean over seeds as a cell of Table 1."""
        test = self.test(task)
        x, y = test.x.to(self.device), test.y.to(self.device)
        found = [None if f.dropped else accuracy(f.network().to(self.device), x, y, chunk=500) for f in fitted]
        for done, value in zip(fitted, found, strict=True):
            metrics = {} if value is None else {"accuracy": value}
            out.runs.append(done.record(metrics, row=row, task=task))
        out.metric(f"table1.{row}.{self.group}_{task}", found)
