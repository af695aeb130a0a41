"""The experiments of Moskalev et al. 2023: what their stages share.

A network is of a kind (WT weight-tied, DA augmented, IR_FORM regularised) for one group, and has the name
``GROUP/KIND/seed0``. Networks of one seed start from the same weights, whatever their kind and group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from learned_symmetry import models, record
from learned_symmetry.adam import Adam
from learned_symmetry.augmentation import ERRORS, Augmented, Regularised
from learned_symmetry.config.moskalev2023 import Moskalev2023, Schedule
from learned_symmetry.data import fashion_mnist, mnist, transforming
from learned_symmetry.data.transforming import Part, Transforming
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.groups import Group, QuarterTurns, Shifts
from learned_symmetry.measure import saliency
from learned_symmetry.models.perceptron import Perceptron, TiedPerceptron
from learned_symmetry.record import restore
from learned_symmetry.rng import generator

PAPER = "moskalev2023"
GROUPS: dict[str, Group] = {"R4": QuarterTurns(), "T3": Shifts(3)}  # T3: by a third of the width, 12 pixels
FORMS = tuple(ERRORS)
KINDS = {"WT": ("WT",), "DA": ("DA",), "IR": tuple(f"IR_{form}" for form in FORMS)}  # stage -> kinds it trains
CLASSES = 9


class Experiment:
    """Data and networks, each made or read once."""

    def __init__(self, cfg: Moskalev2023) -> None:
        self.cfg = cfg
        self.device = record.resolve_device(cfg.engine.device)
        self.source = mnist.source(cfg).kind
        self.images = lru_cache(maxsize=None)(self._images)
        self.sources = lru_cache(maxsize=None)(self._sources)

    # ---- data ------------------------------------------------------------------------------------------------------

    @property
    def both_sources(self) -> str:
        """Where MNIST and Fashion-MNIST come from."""
        return "; ".join(dict.fromkeys((self.source, fashion_mnist.source(self.cfg).kind)))

    @property
    def side(self) -> int:
        return 28 + 2 * self.cfg.data_set.pad

    def _images(self, name: str = "mnist", test_images: int | None = 0) -> Transforming:
        return transforming.load(name, self.cfg, test_images)

    def _sources(self, group: str) -> torch.Tensor:
        return GROUPS[group].sources(self.side, self.side)

    def transformed(self, part: Part, group: str) -> Part:
        """Each image moved by one element of its own, the same in every call: the Transforming data set."""
        g = torch.randint(GROUPS[group].order, (len(part.y),), generator=generator(0, "transforming", group))
        return Part(GROUPS[group].act_each(part.x, g), part.y)

    # ---- networks --------------------------------------------------------------------------------------------------

    def network(self, kind: str, group: str, seed: int) -> Perceptron:
        """A network as it is before training."""
        block = self.cfg.model
        sizes = (self.side, block.layers, block.width, CLASSES)

        def build() -> Perceptron:
            if kind == "WT":
                return TiedPerceptron(GROUPS[group], block.pool, *sizes, bias=block.bias)
            return Perceptron(*sizes, bias=block.bias)

        return models.seeded(build, generator(seed, "network"))

    def run(self, kind: str, group: str, seed: int, lr: float | None, weight: float = 0.0, name: str = "") -> Run:
        """A network on its way to be trained; `weight` is that of the regulariser, for kinds that have one."""
        images = self.images()
        valid = images.valid.first(self.cfg.validation_images)
        objective = Augmented(GROUPS[group])
        if kind.startswith("IR_"):
            objective = Regularised(GROUPS[group], weight, kind.removeprefix("IR_"), self.cfg.regulariser.sampling)
        return Run(
            name=name or f"{group}/{kind}/seed{seed}",
            seed=seed,
            network=self.network(kind, group, seed),
            objective=objective,
            train={"x": images.train.x, "y": images.train.y},
            valid={"x": valid.x, "y": valid.y},
            lr=lr or self.cfg.optimiser.lr,
            weight_decay=self.cfg.optimiser.weight_decay,
            constants={"sources": self.sources(group)},
        )

    def fit(self, runs: Sequence[Run], schedule: Schedule, scratch: Path, label: str) -> list[Fitted]:
        """Constant learning rate, all epochs; the best evaluation's weights are kept (first of equals)."""
        optimiser, engine = self.cfg.optimiser, self.cfg.engine
        epoch = -(-len(runs[0].train["y"]) // schedule.batch)  # steps; the last batch may be short
        recipe = Recipe(
            steps=epoch * schedule.epochs,
            batch=schedule.batch,
            evaluate_every=epoch * schedule.evaluate_every,
            keep="best",
            optimiser=Adam((optimiser.beta1, optimiser.beta2), optimiser.eps),
            order="shuffled",
            stack=engine.stack,
            checkpoint_seconds=engine.checkpoint_seconds,
        )
        return fit(runs, recipe, scratch=scratch, device=self.device, label=label)

    def trained(self, kind: str, group: str, seed: int) -> nn.Module | None:
        """A trained network, or None where its run was dropped. Raises `UserError` where its stage has not run."""
        stage = f"train_{'IR' if kind.startswith('IR_') else kind}"
        name = f"{group}/{kind}/seed{seed}"
        if name in record.read_result(self.cfg.scale, PAPER, stage)["provenance"]["dropped"]:
            return None
        network = restore(self.network(kind, group, seed), self.cfg.scale, PAPER, stage, name)
        return network.requires_grad_(False).eval()

    # ---- saliency --------------------------------------------------------------------------------------------------

    def recipe(self, black: float) -> saliency.Recipe:
        """How saliency maps are made; `black` is the normalised background."""
        block = self.cfg.saliency
        return saliency.Recipe(
            baseline=black if block.baseline == "black" else 0.0,
            steps=self.cfg.evaluation.saliency_steps,
            output=block.output,
            threshold=block.threshold,
            size=block.kernel,
            sigma=block.sigma,
        )

    def similarity(self, network: nn.Module, part: Part, group: str, black: float) -> float:
        """SI on images, of the class that the settings say."""
        labels = part.y if self.cfg.saliency.target == "label" else None
        return saliency.saliency_similarity(network, part.x, GROUPS[group], labels, self.recipe(black))
