"""The small ResNets on CIFAR-10 on which Section 4.2 of Bökman and Kahl 2023 is repeated: what their stages share.

Networks are of a kind and see images of one of two sizes, an even and an odd one, in the places of 224 and 225 pixels:
``KIND/SIZE/seed0``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.data import cifar10
from learned_symmetry.data.augment import ColourJitter, Crops, Flips, InTurn, ResizedCrops, Standardise, Views
from learned_symmetry.fit import Fitted, fit
from learned_symmetry.invariance_loss import FlipInvariance
from learned_symmetry.models.bottleneck import BottleneckResNet
from learned_symmetry.objective import CrossEntropy, Objective
from learned_symmetry.record import restore
from learned_symmetry.rng import generator
from learned_symmetry.runs import Recipe, Run
from learned_symmetry.schedule import Triangle
from learned_symmetry.sgd import SGD
from learned_symmetry.simsiam import SimSiam, TwoViews

PAPER = "bokman2023"
KINDS = ("supervised", "supervised_inv", "simsiam")
STEM = 3  # pixels a side of the stem's filters
CHUNK = 500  # images at once; changes nothing but rounding


def name(kind: str, size: int, seed: int) -> str:
    return f"{kind}/{size}/seed{seed}"


@dataclass(frozen=True)
class Part:
    """Images (n, 3, size, size) uint8 and labels (n,)."""

    x: Tensor
    y: Tensor

    def first(self, n: int) -> Part:
        return Part(self.x[:n], self.y[:n])


class Experiment:
    """Data and networks, each made or read once."""

    def __init__(self, cfg: Bokman2023) -> None:
        self.cfg, self.small = cfg, cfg.resnet.small
        self.device = record.resolve_device(cfg.engine.device)
        self.source = cifar10.source(cfg).kind
        self.prepare = Standardise(tuple(self.small.mean), tuple(self.small.std))
        self.images = lru_cache(maxsize=None)(self._images)

    def _images(self, split: str, size: int) -> Part:
        """The first images of a split, enlarged or not; bilinear interpolation commutes with mirroring."""
        limit = self.small.train_images if split == "train" else self.small.test_images
        x, y = cifar10.load(split, self.cfg, limit)
        if size != x.shape[-1]:
            x = F.interpolate(x.float(), (size, size), mode="bilinear", antialias=True).round().to(torch.uint8)
        return Part(x, y)

    # ---- training --------------------------------------------------------------------------------------------------

    def network(self, seed: int) -> BottleneckResNet:
        """As it is before training; those of one seed start from the same weights, whatever their kind and size."""
        build = partial(BottleneckResNet, self.small.blocks, self.small.width, cifar10.CLASSES, STEM)
        return models.seeded(build, generator(seed, "resnet"))

    def trained(self, kind: str, scratch: Path) -> list[Fitted]:
        """All networks of a kind, by size and seed, trained; those of SimSiam with their linear heads."""
        settings = getattr(self.small, kind)
        runs = [
            self._run(kind, settings.lr, size, seed) for size in self.small.sizes for seed in range(self.small.seeds)
        ]
        done = fit(
            runs,
            self._recipe(self.small.epochs, self.small.train_images),
            scratch=scratch,
            device=self.device,
            label=f"{kind} ResNets",
        )
        return self._with_heads(done, scratch) if kind == "simsiam" else done

    def _run(self, kind: str, lr: float, size: int, seed: int) -> Run:
        part, test = self.images("train", size), self.images("test", size)
        network: nn.Module = self.network(seed)
        objective: Objective = CrossEntropy()
        augment = InTurn((Flips(0.5), Crops(self.small.padding)))
        if kind == "supervised_inv":
            objective = FlipInvariance(self.cfg.resnet.inv_weight)
        if kind == "simsiam":
            views = self.small.simsiam
            objective = TwoViews()
            sizes = (network.fc.in_features, views.out, views.hidden)
            network = models.seeded(partial(SimSiam, network, *sizes), generator(seed, "simsiam"))
            jitter = ColourJitter(views.jitter, views.jittered, views.grey)
            augment = Views(InTurn((ResizedCrops(views.least_area), Flips(0.5), jitter)))
        return Run(
            name=name(kind, size, seed),
            seed=seed,
            network=network,
            objective=objective,
            train={"x": part.x, "y": part.y},
            valid=vars(test.first(self.small.watched_images)),
            lr=lr,
            weight_decay=self.small.weight_decay,
            augment=augment,
            prepare=self.prepare,
        )

    def _recipe(self, epochs: int, examples: int) -> Recipe:
        """SGD whose rate rises and falls; the last weights are kept."""
        epoch = -(-examples // self.small.batch)  # steps; the last batch may be short
        steps, engine = epochs * epoch, self.cfg.engine
        return Recipe(
            steps=steps,
            batch=self.small.batch,
            evaluate_every=epoch,
            keep="last",
            optimiser=SGD(momentum=self.small.momentum),
            order="shuffled",
            schedule=Triangle(round(self.small.warmup * steps), steps),
            stack=engine.stack,
            checkpoint_seconds=engine.checkpoint_seconds,
        )

    def _with_heads(self, done: list[Fitted], scratch: Path) -> list[Fitted]:
        """What SimSiam trained, now as whole networks, each with a linear head on its frozen features.

        The head sees the features of each image and of its mirror image, computed once.
        """
        bodies = [self._body(fitted) for fitted in done]
        runs = [
            self._head(fitted.run, body) for fitted, body in zip(done, bodies, strict=True) if fitted.dropped is None
        ]
        recipe = self._recipe(self.small.head.epochs, 2 * self.small.train_images)
        heads = fit(runs, recipe, scratch=scratch, device=self.device, label="linear heads")
        weights = {head.run.name: head.state for head in heads}
        for fitted, body in zip(done, bodies, strict=True):
            body.fc.load_state_dict(weights.get(f"{fitted.run.name}/head", body.fc.state_dict()))
        return [replace(fitted, state=body.state_dict()) for fitted, body in zip(done, bodies, strict=True)]

    def _body(self, fitted: Fitted) -> BottleneckResNet:
        body = fitted.network().backbone
        return body.requires_grad_(False).eval()

    def _head(self, run: Run, body: BottleneckResNet) -> Run:
        def features(x: Tensor) -> Tensor:
            moved = body.to(self.device)
            return torch.cat([moved.pooled(self.prepare(part.to(self.device))) for part in x.split(CHUNK)]).cpu()

        train, valid = run.train, run.valid
        seen = {"x": torch.cat([features(train["x"]), features(train["x"].flip(-1))]), "y": train["y"].repeat(2)}
        body.cpu()
        return Run(
            name=f"{run.name}/head",
            seed=run.seed,
            network=models.seeded(
                partial(nn.Linear, body.fc.in_features, cifar10.CLASSES), generator(run.seed, "head")
            ),
            objective=CrossEntropy(),
            train=seen,
            valid={"x": features(valid["x"]), "y": valid["y"]},
            lr=self.small.head.lr,
        )

    # ---- what is measured ------------------------------------------------------------------------------------------

    def read(self, kind: str, size: int, seed: int) -> BottleneckResNet | None:
        """A trained network on the device, or None for a dropped run. Raises `UserError` before its stage has run."""
        stage, run = f"small_{kind}", name(kind, size, seed)
        if run in record.read_result(self.cfg.scale, PAPER, stage)["provenance"]["dropped"]:
            return None
        network = restore(self.network(seed), self.cfg.scale, PAPER, stage, run)
        return network.requires_grad_(False).eval().to(self.device)

    def seen(self, split: str, size: int, images: int) -> Part:
        """The first images of a split as the networks see them, on the device."""
        part = self.images(split, size).first(images)
        return Part(self.prepare(part.x.to(self.device)), part.y.to(self.device))
