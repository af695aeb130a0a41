"""What the training engine takes and gives: runs, how they are trained, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from learned_symmetry.objective import Objective
from learned_symmetry.optimiser import Optimiser
from learned_symmetry.plateau import Keep, Progress
from learned_symmetry.record import RunRecord
from learned_symmetry.schedule import Constant, Schedule

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]  # images, labels, its draws -> both


@dataclass(frozen=True)
class Run:
    """One training run. Data are tensors by name with examples first; constants go into every batch whole.

    Each training batch's "x" and "y" are augmented afresh, by draws from the seed and the step alone, such as by
    `data.augment.Augmentation`; then `prepare` turns every "x", validation's too, into what the network takes. Both
    see whole batches on the device, and runs are stacked only where both have the same `repr`.
    """

    name: str
    seed: int
    network: nn.Module
    objective: Objective
    train: dict[str, Tensor]
    valid: dict[str, Tensor]
    lr: float
    weight_decay: float = 0.0
    constants: dict[str, Tensor] = field(default_factory=dict)
    augment: Augment | None = None
    prepare: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Recipe:
    """How all runs of one call are trained; batches come in order or shuffled each epoch.

    A step's learning rate is the run's own, as its plateaus have left it, times the schedule's share. `bfloat16` is
    autocast of the training steps and does nothing but on CUDA; `channels_last` is for images "x", where runs are not
    stacked (faster for some convolutional networks; equal up to rounding).
    """

    steps: int
    batch: int
    evaluate_every: int  # steps
    keep: Keep
    optimiser: Optimiser
    order: Literal["sequential", "shuffled"]
    schedule: Schedule = Constant()  # noqa: RUF009 (frozen)
    stack: Literal["auto", "always", "never"] = "auto"
    checkpoint_seconds: float = 10.0
    bfloat16: bool = False
    channels_last: bool = False


@dataclass
class Fitted:
    """A trained run: its kept weights, where they came from, and the way there."""

    run: Run
    state: dict[str, Tensor]
    progress: Progress
    steps: int
    history: dict[str, list[tuple[int, float]]]
    trained: tuple[float, float]  # when its stack began and ended, in seconds since 1970; a kill's pause lies within

    @property
    def dropped(self) -> str | None:
        """Why the run cannot be used, or None."""
        return None if self.progress.ended in ("plateaus", "steps") else self.progress.ended

    def network(self) -> nn.Module:
        """The run's network with its kept weights, ready to evaluate."""
        self.run.network.load_state_dict(self.state)
        return self.run.network.eval()

    def record(self, metrics: dict[str, float], **about: Any) -> RunRecord:
        """The run as it is kept: its numbers, its settings and those in `about`, and its final `metrics`."""
        numbers = {k: v for k, v in vars(self.run.objective).items() if isinstance(v, (int, float, str))}
        training = {"lr": self.run.lr, "weight_decay": self.run.weight_decay}
        best = {f"best_{self.run.objective.selects}": abs(self.progress.best), "best_step": self.progress.best_step}
        return RunRecord(
            name=self.run.name,
            seed=self.run.seed,
            params={"objective": type(self.run.objective).__name__, **numbers, **training, **about},
            metrics=best | {"steps": self.steps, **metrics},
            history=self.history,
            state=self.state,
            dropped=self.dropped,
            trained=self.trained,
        )
