"""The experiment of Nix et al. 2022 on MNIST-1D: what its stages share (Sections 2.2 to 5, Supplement A.1).

A teacher, or an orbit model, has the name ``s30/seed0``, or ``seed0`` where one serves all shift limits; a student has
the name ``pooling/s30/seed0``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor, nn

from learned_symmetry import models, record, stage
from learned_symmetry.adam import Adam
from learned_symmetry.config.nix2022 import Nix2022, Schedule
from learned_symmetry.data import mnist1d
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.models import mnist1d as networks
from learned_symmetry.objective import Transfer
from learned_symmetry.plateau import PlateauRule
from learned_symmetry.rng import generator

PAPER = "nix2022"
SETS = ("seen", "unseen", "all")
FIGURE = {"pooling": "fig2", "linear": "fig3"}  # the figure that shows a head


@dataclass(frozen=True)
class Signals:
    """All splits for one shift limit and seed; the training set's tensors are shared by the runs that use them."""

    train: mnist1d.Signals
    valid: mnist1d.Signals
    tests: dict[str, mnist1d.Signals]

    def part(self, name: str) -> dict[str, Tensor]:
        part = getattr(self, name)
        return {"x": part.x, "y": part.y}


class Experiment:
    """Data, teachers and orbit models of one set of settings, each made or read once."""

    def __init__(self, cfg: Nix2022) -> None:
        self.cfg = cfg
        self.device = record.resolve_device(cfg.engine.device)
        self.signals = lru_cache(maxsize=None)(self._signals)
        self.teacher = lru_cache(maxsize=None)(self._teacher)
        self.teacher_features = lru_cache(maxsize=None)(self._teacher_features)

    def _signals(self, shift: int, seed: int) -> Signals:
        return Signals(*mnist1d.splits(shift, seed, **self.cfg.mnist1d.model_dump()))

    # ---- teachers and orbit models ---------------------------------------------------------------------------------

    def teacher_grid(self) -> list[tuple[str, int, int]]:
        """(name, shift limit, seed) of each teacher to train."""
        cfg = self.cfg
        shifts = cfg.shifts if cfg.teacher_per == "shift" else cfg.shifts[-1:]
        return [(self.teacher_name(shift, seed), shift, seed) for shift in shifts for seed in range(cfg.seeds)]

    def teacher_name(self, shift: int, seed: int) -> str:
        return f"s{shift}/seed{seed}" if self.cfg.teacher_per == "shift" else f"seed{seed}"

    def _teacher(self, name: str) -> nn.Module:
        teacher = record.restore(networks.Teacher(), self.cfg.scale, PAPER, "teacher", name)
        return teacher.requires_grad_(False).eval()

    def _teacher_features(self, shift: int, seed: int, part: str) -> dict[str, Tensor]:
        x = getattr(self.signals(shift, seed), part).x
        cached = models.cached_features(self.teacher(self.teacher_name(shift, seed)), x, networks.LAYERS)
        return {f"teacher.{layer}": activation for layer, activation in cached.items()}

    # ---- students --------------------------------------------------------------------------------------------------

    def student_run(
        self, name: str, head: str, shift: int, seed: int, objective: Transfer, lr: float, weight_decay: float
    ) -> Run:
        """A student, beside the teacher's activations that its method compares."""
        signals = self.signals(shift, seed)
        train = signals.part("train")
        if objective.compares:
            cached = self.teacher_features(shift, seed, "train") if objective.layers else {}
            train |= {name: objective.digest(cached[name]) for name in (f"teacher.{at}" for at in objective.layers)}
        return Run(
            name=name,
            seed=seed,
            network=models.seeded(
                lambda: networks.Student(head, self.cfg.student.relu_before_linear_head), generator(seed, "student")
            ),
            objective=objective,
            train=train,
            valid=signals.part("valid"),
            lr=lr,
            weight_decay=weight_decay,
        )

    def scores(self, network: nn.Module, shift: int, seed: int) -> dict[str, float]:
        """Test accuracy on seen, unseen and all shifts."""
        tests = self.signals(shift, seed).tests
        return {name: accuracy(network, tests[name].x, tests[name].y) for name in SETS}

    # ---- training --------------------------------------------------------------------------------------------------

    def fit(self, runs: list[Run], schedule: Schedule, scratch: Path, label: str) -> list[Fitted]:
        """Train as Supplement A.1 says: Adam, batches in order, validated on seen shifts, restored to the best."""
        optimiser = self.cfg.optimiser
        recipe = Recipe(
            steps=schedule.steps,
            batch=schedule.batch,
            evaluate_every=schedule.evaluate_every,
            keep=PlateauRule(schedule.patience, optimiser.decay, optimiser.plateaus, optimiser.plateau_rule),
            optimiser=Adam((optimiser.beta1, optimiser.beta2), optimiser.eps),
            order="sequential",
            stack=self.cfg.engine.stack,
            checkpoint_seconds=self.cfg.engine.checkpoint_seconds,
        )
        return fit(runs, recipe, scratch=scratch, device=self.device, label=label)


def teach(cfg: Nix2022, method: str, student: Callable[[Experiment, str, str, int, int], Run]) -> None:
    """Train and record the students of one method for all heads, shift limits and seeds; results ``transfer_METHOD``.

    ``student(experiment, name, head, shift, seed)`` is one of them, not yet trained.
    """
    source, name = mnist1d.SOURCE, f"transfer_{method}"
    out = record.Stage(cfg, PAPER, name, source=source, fingerprint=stage.fingerprint(cfg))
    experiment, done = Experiment(cfg), {}
    for head in cfg.heads:
        grid = [(head, shift, seed) for shift in cfg.shifts for seed in range(cfg.seeds)]
        runs = [student(experiment, f"{head}/s{shift}/seed{seed}", head, shift, seed) for _, shift, seed in grid]
        fitted = experiment.fit(runs, cfg.schedules.of(method, head), out.scratch / head, f"{method}, {head} head")
        done |= dict(zip(grid, fitted, strict=True))

    scores = {
        cell: {} if fitted.dropped else experiment.scores(fitted.network(), *cell[1:]) for cell, fitted in done.items()
    }
    for (head, shift, _), fitted in done.items():
        out.runs.append(fitted.record(scores[head, shift, fitted.run.seed], method=method, head=head, shift=shift))
    for head in cfg.heads:
        for shift in cfg.shifts:
            for part in SETS:
                values = [scores[head, shift, seed].get(part) for seed in range(cfg.seeds)]
                out.metric(f"{FIGURE[head]}.{method}.s{shift}_{part}", values)
    out.write()
