"""The experiment of Nix et al. 2022 on MNIST-1D: what its stages share (Sections 2.2 to 5, Supplement A.1).

A teacher, or an orbit model, has the name ``s30/seed0``, or ``seed0`` where one serves all shift limits; a student has
the name ``pooling/s30/seed0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.config.nix2022 import MethodHead, Nix2022, Schedule
from learned_symmetry.data import mnist1d
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.models import mnist1d as networks
from learned_symmetry.objective import Objective
from learned_symmetry.plateau import PlateauRule
from learned_symmetry.rng import generator
from learned_symmetry.transfer.orbit import LearnOrbit, Orbit

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
        teacher = networks.Teacher()
        teacher.load_state_dict(record.load_state(self.cfg.scale, PAPER, "teacher", name))
        return teacher.requires_grad_(False).eval()

    def _teacher_features(self, shift: int, seed: int, part: str) -> dict[str, Tensor]:
        x = getattr(self.signals(shift, seed), part).x
        cached = models.cached_features(self.teacher(self.teacher_name(shift, seed)), x, networks.LAYERS)
        return {f"teacher.{layer}": activation for layer, activation in cached.items()}

    def orbit_run(self, name: str, shift: int, seed: int, weights: Any, lr: float) -> Run:
        """Stage 1 of Orbit: fit the representation to the teacher of that shift limit and seed."""
        orbit, teacher = self.cfg.orbit, self.teacher(self.teacher_name(shift, seed))
        signals = self.signals(shift, seed)
        return Run(
            name=name,
            seed=seed,
            network=models.seeded(
                lambda: networks.OrbitKernels(orbit.first_layer_transform), generator(seed, "orbit kernels")
            ),
            objective=LearnOrbit(
                _architecture(), orbit.group_term, weights.equiv, weights.inv, weights.group
            ),
            train=signals.part("train") | self.teacher_features(shift, seed, "train"),
            valid=signals.part("valid") | self.teacher_features(shift, seed, "valid"),
            lr=lr,
            weight_decay=orbit.weight_decay,
            constants={f"weights.{layer}": weight for layer, weight in teacher.state_dict().items()},
        )

    def representation(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The frozen kernels ``rho.LAYER`` of a trained orbit model."""
        kernels = networks.OrbitKernels(self.cfg.orbit.first_layer_transform)
        kernels.load_state_dict(state)
        with torch.no_grad():
            return {f"rho.{layer}": bank.clone() for layer, bank in kernels().items()}

    # ---- students --------------------------------------------------------------------------------------------------

    def student_run(
        self, name: str, head: str, shift: int, seed: int, objective: Objective, settings: MethodHead | Any, lr: float
    ) -> Run:
        """A student of any method but Orbit, beside the teacher's activations that the method compares."""
        signals = self.signals(shift, seed)
        layers = getattr(objective, "layers", ())
        train = signals.part("train")
        if layers and not isinstance(objective, Orbit):
            cached = self.teacher_features(shift, seed, "train")
            train |= {f"teacher.{layer}": cached[f"teacher.{layer}"] for layer in layers}
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
            weight_decay=settings.weight_decay,
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
            plateau=PlateauRule(schedule.patience, optimiser.decay, optimiser.plateaus, optimiser.plateau_rule),
            betas=(optimiser.beta1, optimiser.beta2),
            eps=optimiser.eps,
            order="sequential",
            stack=self.cfg.engine.stack,
            checkpoint_seconds=self.cfg.engine.checkpoint_seconds,
        )
        return fit(runs, recipe, scratch=scratch, device=self.device, label=label)


def record_of(fitted: Fitted, metrics: dict[str, float], **about: Any) -> record.RunRecord:
    """A trained run as it is kept."""
    run, numbers = fitted.run, fitted.run.objective
    hyper = {k: v for k, v in vars(numbers).items() if isinstance(v, (int, float, str))}
    return record.RunRecord(
        name=run.name,
        seed=run.seed,
        params={"objective": type(numbers).__name__, **hyper, "lr": run.lr, "weight_decay": run.weight_decay, **about},
        metrics={f"best_{run.objective.selects}": abs(fitted.progress.best), "best_step": fitted.progress.best_step}
        | {"steps": fitted.steps, **metrics},
        history=fitted.history,
        state=fitted.state,
        dropped=fitted.dropped,
    )


@lru_cache(maxsize=None)
def _architecture() -> nn.Module:
    """One teacher module for all of Orbit's first stages; its weights come with the batch, so that runs can stack."""
    return networks.Teacher().requires_grad_(False).eval()
