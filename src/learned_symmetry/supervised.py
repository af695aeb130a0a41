"""Plain supervised training on images: cross-entropy, a rate that falls at some epochs, the last weights count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from learned_symmetry import record
from learned_symmetry.config import Engine
from learned_symmetry.config.bruintjes2023 import Training
from learned_symmetry.data.augment import Augmentation, Standardise
from learned_symmetry.fit import Fitted, fit
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.optimiser import Optimiser
from learned_symmetry.runs import Recipe, Run
from learned_symmetry.schedule import Milestones

Labelled = tuple[Tensor, Tensor]  # images (n, c, h, w) uint8, labels (n,) int64


def run(
    name: str,
    seed: int,
    network: nn.Module,
    train: Labelled,
    valid: Labelled,
    prepare: Standardise,
    optimiser: Any,
    augment: Augmentation | None = None,
) -> Run:
    """A network on its way to be trained by cross-entropy; `optimiser` holds its rate and weight decay."""
    return Run(
        name=name,
        seed=seed,
        network=network,
        objective=CrossEntropy(),
        train={"x": train[0], "y": train[1]},
        valid={"x": valid[0], "y": valid[1]},
        lr=optimiser.lr,
        weight_decay=optimiser.weight_decay,
        augment=augment,
        prepare=prepare,
    )


def train(
    runs: Sequence[Run], training: Training, optimiser: Optimiser, drop: float, engine: Engine, **options: Any
) -> list[Fitted]:
    """The paper's training: the rate falls at some epochs, and the last weights count.

    `options` are `fit`'s, and among them settings of the recipe that only some networks need.
    """
    epoch = -(-len(runs[0].train["y"]) // training.batch)  # steps; the last batch may be short
    recipe = Recipe(
        steps=epoch * training.epochs,
        batch=training.batch,
        evaluate_every=epoch * training.evaluate_every,
        keep="last",
        optimiser=optimiser,
        schedule=Milestones(tuple(epoch * after for after in training.drops), drop),
        order="shuffled",
        stack=engine.stack,
        checkpoint_seconds=engine.checkpoint_seconds,
        **{key: options.pop(key) for key in ("bfloat16", "channels_last") if key in options},
    )
    return fit(runs, recipe, **options)


def keep(out: record.Stage, metric: str, fitted: Sequence[Fitted]) -> None:
    """Record runs that were trained alike, and as `metric` their accuracies on validation images at the end."""
    out.metric(metric, [None if done.dropped else done.progress.best for done in fitted])
    out.runs += [done.record({}) for done in fitted]
