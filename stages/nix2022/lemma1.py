"""Nix et al. 2022, Lemma 1 as numbers: RDL cannot tell a teacher from a rotated one (Section 4.2; protocol 2.6).

    dvc repro stages/nix2022/dvc.yaml:lemma1
    python stages/nix2022/lemma1.py

Phi is a trained teacher up to its second layer, Q a random orthogonal map of its 400 features. R(Q Phi) equals R(Phi)
up to rounding, so RDL's loss is zero, but the maximum over positions of Q Phi(x) no longer ignores shifts of x.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.data import mnist1d
from learned_symmetry.groups import Shifts
from learned_symmetry.measure.invariance import invariance_gap
from learned_symmetry.models import features
from learned_symmetry.rng import generator
from learned_symmetry.shift_transfer import PAPER, Experiment
from learned_symmetry.transfer.rdl import similarity


def main(cfg: Nix2022) -> None:
    out = record.Stage(cfg, PAPER, "lemma1", source=mnist1d.SOURCE)
    experiment, shift = Experiment(cfg), cfg.lemma1.shift
    distances, gaps, teacher_gaps = [], [], []
    for seed in range(cfg.seeds):
        teacher = experiment.teacher(experiment.teacher_name(shift, seed)).double()
        x = experiment.signals(shift, seed).tests["seen"].x[: cfg.lemma1.signals].double()
        measured = [
            check(teacher, x, orthogonal(400, generator(seed, "lemma1", number)))
            for number in range(cfg.lemma1.rotations)
        ]
        distances.append(max(distance for distance, _ in measured))
        gaps.append(statistics.fmean(gap for _, gap in measured))
        teacher_gaps.append(invariance_gap(pooled(teacher), x, Shifts(mnist1d.LENGTH)))
    out.metric("lemma1.rdl.distance", distances)
    out.metric("lemma1.rdl.shift_invariance_gap", gaps)
    out.metric("lemma1.teacher.shift_invariance_gap", teacher_gaps)
    out.write()


def check(teacher: nn.Module, x: Tensor, q: Tensor) -> tuple[float, float]:
    """Largest entry of |R(Q Phi) - R(Phi)| over signals x (n, 1, 40), and the invariance gap of the pooled Q Phi."""
    phi = hidden(teacher, x)
    distance = (similarity(phi @ q.mT) - similarity(phi)).abs().max().item()
    return distance, invariance_gap(pooled(teacher, q), x, Shifts(mnist1d.LENGTH))


def hidden(teacher: nn.Module, x: Tensor) -> Tensor:
    """Phi(x), the second layer, as vectors (n, 400)."""
    with torch.no_grad():
        return features(teacher, x, ("layer2",))["layer2"].flatten(1)


def pooled(teacher: nn.Module, q: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """x -> maximum over positions of Q Phi(x), seen as 10 channels of 40 positions; Q = 1 where it is left out."""

    def function(x: Tensor) -> Tensor:
        phi = hidden(teacher, x)
        return (phi if q is None else phi @ q.mT).unflatten(1, (mnist1d.CLASSES, mnist1d.LENGTH)).amax(-1)

    return function


def orthogonal(size: int, stream: torch.Generator) -> Tensor:
    """A random orthogonal matrix, uniform by the Haar measure."""
    q, r = torch.linalg.qr(torch.randn(size, size, generator=stream, dtype=torch.float64))
    return q * r.diagonal().sign()


if __name__ == "__main__":
    stage.run(main, PAPER)
