"""What the training engine takes and gives: runs, how they are trained, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from learned_symmetry.objective import Objective
from learned_symmetry.plateau import PlateauRule, Progress
from learned_symmetry.record import RunRecord


@dataclass(frozen=True)
class Run:
    """One training run. Data are tensors by name with examples first; constants go into every batch whole."""

    name: str
    seed: int
    network: nn.Module
    objective: Objective
    train: dict[str, Tensor]
    valid: dict[str, Tensor]
    lr: float
    weight_decay: float = 0.0
    constants: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How all runs of one call are trained: Adam with L2 weight decay, batches in order or shuffled each epoch.

    `decoupled` decays the weights apart from the gradient (AdamW); `clip` bounds the norm of each run's gradient.
    With `warmup` the learning rate before evaluation e (from 1) is min(1, (e + 1) / warmup) of the run's (nix2022 D25).
    """

    steps: int
    batch: int
    evaluate_every: int  # steps
    plateau: PlateauRule
    betas: tuple[float, float]
    eps: float
    order: Literal["sequential", "shuffled"]
    warmup: int = 0  # evaluations
    stack: Literal["auto", "always", "never"] = "auto"
    checkpoint_seconds: float = 10.0
    decoupled: bool = False
    clip: float | None = None


@dataclass
class Fitted:
    """A trained run: its best weights, where they came from, and the way there."""

    run: Run
    state: dict[str, Tensor]
    progress: Progress
    steps: int
    history: dict[str, list[tuple[int, float]]]

    @property
    def dropped(self) -> str | None:
        """Why the run cannot be used, or None."""
        return None if self.progress.ended in ("plateaus", "steps") else self.progress.ended

    def network(self) -> nn.Module:
        """The run's network with its best weights, ready to evaluate."""
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
        )
