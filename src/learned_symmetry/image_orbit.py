"""Orbit on MNIST images (Nix et al. 2022, Section 5, Supplement A.2): runs of its two steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry.config.nix2022 import ImageSchedule
from learned_symmetry.fit import Run
from learned_symmetry.image_transfer import Experiment
from learned_symmetry.models.orbit_images import OrbitImageKernels
from learned_symmetry.transfer.orbit_images import ImageOrbit, LearnImageOrbit, act, multipliers

TERMS = ("group", "equiv", "inv", "ce")  # of Orbit's first stage, in the order of Table 6


def orbit_run(experiment: Experiment, seed: int, schedule: ImageSchedule, terms: tuple[str, ...] = TERMS) -> Run:
    """Stage 1: kernels for the teacher of that seed; `terms` of the loss that are on."""
    block = experiment.cfg.images.orbit
    objective = LearnImageOrbit(
        teacher=experiment.architecture(),
        layers=experiment.setting.layers,
        terms=terms,
        n_max=block.n_max,
        clamp=block.clamp,
        detach=block.detach,
        order=block.order,
        **block.weights.model_dump(),
    )
    run = experiment.run(_kernels(experiment, seed), objective, seed, schedule)
    return replace(run, constants=experiment.teacher_weights(seed))


def taught_by_orbit(experiment: Experiment, seed: int, model: dict[str, Tensor], schedule: ImageSchedule) -> Run:
    """Stage 2: a student, with the frozen kernels of a trained orbit model."""
    block = experiment.cfg.images.orbit
    objective = ImageOrbit(block.gamma, block.n_max, block.clamp, block.order, layers=experiment.setting.layers)
    kernels = _kernels(experiment, seed)
    kernels.load_state_dict(model)
    with torch.no_grad():
        banks = {f"rho.{layer}": bank.clone() for layer, bank in kernels().items()}
    return replace(experiment.student_run(objective, seed, schedule), constants=banks)


@torch.no_grad()
def pictured(experiment: Experiment, kernels: Tensor) -> dict[str, Any]:
    """Kernels (|G|, k, k), and one test image moved by each, once: lists of numbers, for Figure 5."""
    image = experiment.tests()[0].x[:1]
    moved = act(multipliers(kernels, *image.shape[-2:]), image.expand(len(kernels), -1, -1, -1)).clamp(0, 1)
    tiles = {"kernels": kernels, "moved": moved[:, 0]}
    return {name: [[[round(v, 3) for v in row] for row in t] for t in tile.tolist()] for name, tile in tiles.items()}


def _kernels(experiment: Experiment, seed: int) -> nn.Module:
    block = experiment.cfg.images.orbit
    shape = block.first_layer_transform, block.order, block.size, block.std
    return experiment.make(lambda _: OrbitImageKernels(experiment.setting.layers, *shape), seed, "orbit kernels")
