"""Orbit on MNIST images (Nix et al. 2022, Section 5, Supplement A.2): runs of its two steps.

A setting says how the group elements act (`KINDS`): by kernels under translations, by affine maps under rotations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry import record
from learned_symmetry.config.nix2022 import ImageSchedule
from learned_symmetry.fit import Run
from learned_symmetry.image_transfer import PAPER, Experiment
from learned_symmetry.models.orbit_affine import AffineOrbit
from learned_symmetry.models.orbit_images import OrbitImageKernels
from learned_symmetry.objective import Objective, Transfer
from learned_symmetry.transfer.orbit_affine import LearnAffineOrbit, TaughtByAffine
from learned_symmetry.transfer.orbit_images import ImageOrbit, LearnImageOrbit, act, multipliers

TERMS = ("group", "equiv", "inv", "ce")  # of the first stage by kernels, in the order of Table 6


def orbit_run(experiment: Experiment, seed: int, schedule: ImageSchedule, **changes: Any) -> Run:
    """Stage 1: an orbit model for the teacher of that seed; `changes` of its objective, such as fewer `terms`."""
    objective = replace(KINDS[experiment.setting.orbit].learn(experiment), **changes)
    run = experiment.run(_model(experiment, seed), objective, seed, schedule)
    return replace(run, constants=experiment.teacher_weights(seed))


def learned(experiment: Experiment, seed: int) -> dict[str, Tensor]:
    """The weights of the orbit model that its stage learned. Raises `UserError` without them."""
    stage = f"image_orbit_{experiment.name}"
    return record.restore(_model(experiment, seed), experiment.cfg.scale, PAPER, stage, f"seed{seed}").state_dict()


def taught_by_orbit(experiment: Experiment, seed: int, model: dict[str, Tensor], schedule: ImageSchedule) -> Run:
    """Stage 2: a student, with the frozen kernels or matrices of a trained orbit model."""
    objective = KINDS[experiment.setting.orbit].teach(experiment)
    orbit = _model(experiment, seed)
    orbit.load_state_dict(model)
    with torch.no_grad():
        banks = {f"rho.{layer}": bank.clone() for layer, bank in orbit().items()}
    return replace(experiment.student_run(objective, seed, schedule), constants=banks)


@torch.no_grad()
def pictured(experiment: Experiment, kernels: Tensor) -> dict[str, Any]:
    """Kernels (|G|, k, k), and one test image moved by each, once: lists of numbers, for Figure 5."""
    image = experiment.tests(1)[0].x
    moved = act(multipliers(kernels, *image.shape[-2:]), image.expand(len(kernels), -1, -1, -1)).clamp(0, 1)
    tiles = {"kernels": kernels, "moved": moved[:, 0]}
    return {name: [[[round(v, 3) for v in row] for row in t] for t in tile.tolist()] for name, tile in tiles.items()}


def _model(experiment: Experiment, seed: int) -> nn.Module:
    """The orbit model of a seed, not yet trained."""
    kind = KINDS[experiment.setting.orbit]
    return experiment.make(lambda _: kind.model(experiment), seed, f"orbit {experiment.setting.orbit}")


# ---- by kernels (protocol 2.2) ---------------------------------------------------------------------------------------


def _kernels(experiment: Experiment) -> nn.Module:
    block = experiment.cfg.images.orbit
    first = block.first_layer_transform[experiment.name]
    return OrbitImageKernels(experiment.setting.layers, first, block.order, block.size, block.std)


def _learn_kernels(experiment: Experiment) -> Objective:
    block = experiment.cfg.images.orbit
    return LearnImageOrbit(
        teacher=experiment.architecture,
        layers=experiment.setting.layers,
        terms=TERMS,
        n_max=block.n_max,
        clamp=block.clamp,
        detach=block.detach,
        order=block.order,
        **block.weights.model_dump(),
    )


def _teach_kernels(experiment: Experiment) -> Transfer:
    block = experiment.cfg.images.orbit
    return ImageOrbit(block.gamma, block.n_max, block.clamp, block.order, layers=experiment.setting.layers)


# ---- by affine transforms (protocol 2.5) -----------------------------------------------------------------------------


def _affine(experiment: Experiment) -> nn.Module:
    block = experiment.cfg.images.affine
    return AffineOrbit(block.order, block.init)


def _learn_affine(experiment: Experiment) -> Objective:
    block = experiment.cfg.images.affine
    return LearnAffineOrbit(
        teacher=experiment.architecture,
        layers=experiment.setting.layers,
        clamp=block.clamp,
        detach=block.detach,
        margin=block.hinge.margin,
        steepness=block.hinge.weight,
        order=block.order,
        **block.weights.model_dump(),
    )


def _teach_affine(experiment: Experiment) -> Transfer:
    block = experiment.cfg.images.affine
    return TaughtByAffine(block.gamma, block.clamp, block.order, layers=experiment.setting.layers)


# ---- which of them ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """How group elements act: the orbit model, which gives what acts on each layer, and objectives of both stages."""

    model: Callable[[Experiment], nn.Module]
    learn: Callable[[Experiment], Objective]
    teach: Callable[[Experiment], Transfer]


KINDS = {
    "kernels": Kind(_kernels, _learn_kernels, _teach_kernels),
    "affine": Kind(_affine, _learn_affine, _teach_affine),
}
