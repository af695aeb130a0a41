"""Orbit on MNIST-1D (Nix et al. 2022, Section 5, Supplement A.1): runs of its two steps."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.fit import Run
from learned_symmetry.models import mnist1d as networks
from learned_symmetry.rng import generator
from learned_symmetry.shift_transfer import PAPER, Experiment
from learned_symmetry.transfer.orbit import LearnOrbit


def orbit_run(experiment: Experiment, name: str, shift: int, seed: int, weights: Any, lr: float) -> Run:
    """Stage 1: fit kernels to the teacher of that shift limit and seed; `weights` of the terms equiv, inv, group."""
    orbit, signals = experiment.cfg.orbit, experiment.signals(shift, seed)
    teacher = experiment.teacher(experiment.teacher_name(shift, seed))
    kernels = generator(seed, "orbit kernels")
    return Run(
        name=name,
        seed=seed,
        network=models.seeded(lambda: networks.OrbitKernels(orbit.first_layer_transform), kernels),
        objective=LearnOrbit(_architecture(), **weights.model_dump(), group_term=orbit.group_term),
        train=signals.part("train") | experiment.teacher_features(shift, seed, "train"),
        valid=signals.part("valid") | experiment.teacher_features(shift, seed, "valid"),
        lr=lr,
        weight_decay=orbit.weight_decay,
        constants={f"weights.{layer}": weight for layer, weight in teacher.state_dict().items()},
    )


def learned(experiment: Experiment, name: str) -> dict[str, Tensor]:
    """The weights of a model that the stage `orbit` learned. Raises `UserError` without them."""
    model = networks.OrbitKernels(experiment.cfg.orbit.first_layer_transform)
    return record.restore(model, experiment.cfg.scale, PAPER, "orbit", name).state_dict()


def representation(experiment: Experiment, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stage 2's frozen kernels ``rho.input`` and ``rho.LAYER`` from a trained orbit model's weights."""
    kernels = networks.OrbitKernels(experiment.cfg.orbit.first_layer_transform)
    kernels.load_state_dict(state)
    with torch.no_grad():
        return {f"rho.{layer}": bank.clone() for layer, bank in kernels().items()}


@cache
def _architecture() -> nn.Module:
    """One teacher module for all runs; its weights come with the batch, so that the runs can be stacked."""
    return networks.Teacher().requires_grad_(False).eval()
