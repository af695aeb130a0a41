"""Figures 4 and 7 of Bruintjes et al. 2023 for every user: small CNNs, ViTs and MLP-Mixers, trained on CIFAR-10 (ours).

    dvc repro stages/bruintjes2023/dvc.yaml:small
    python stages/bruintjes2023/small.py

Two sizes of each family, trained alike, without augmentation; then translations and rotations are measured as for the
published networks, and over the networks of a seed the scores' rank correlations with accuracy on test images.
"""

from __future__ import annotations

import torch
from torch import nn

from learned_symmetry import record, stage
from learned_symmetry.adam import Adam
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import cifar10
from learned_symmetry.data.augment import Standardise
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.learned_equivariance import PAPER, diagonal_shifts, measure_all, picked
from learned_symmetry.rank_correlation import rank_correlations
from learned_symmetry.small_networks import small_network
from learned_symmetry.supervised import keep, run, train


def main(cfg: Bruintjes2023) -> None:
    block, source = cfg.small, cifar10.source(cfg).kind
    prepare = Standardise(tuple(cfg.cifar10.mean), tuple(cfg.cifar10.std))
    fingerprint = stage.fingerprint((cfg.engine, block, cfg.cifar10, source))
    out = record.Stage(cfg, PAPER, "small", source=source, fingerprint=fingerprint)
    training, optimiser = block.training, block.optimiser
    data = cifar10.load("train", cfg, training.images), cifar10.load("test", cfg, training.validation)
    runs = [
        run(f"{name}/seed{seed}", seed, small_network(cfg, name, seed), *data, prepare, optimiser)
        for name in block.networks
        for seed in range(block.seeds)
    ]
    adam = Adam((optimiser.beta1, optimiser.beta2), optimiser.eps, decoupled=optimiser.decoupled)
    device = record.resolve_device(cfg.engine.device)
    options = {"scratch": out.scratch, "device": device, "label": "small networks"}
    fitted = train(runs, training, adam, block.drop, cfg.engine, **options)
    shifts = cfg.evaluation.shifts
    moves = {
        "trans": (diagonal_shifts(max(shifts), cfg.measure.translation, prepare), shifts),
        "rot": (QuarterTurns(), (1, 2, 3)),
    }
    images = prepare(picked(cifar10.load("test", cfg)[0], cfg))
    found, accuracies = {group: {} for group in moves}, {}
    for number, name in enumerate(block.networks):
        done = fitted[number * block.seeds : (number + 1) * block.seeds]
        keep(out, f"small.accuracy.{name}", done)
        accuracies[name] = [None if one.dropped else one.progress.best for one in done]
        for group, (some, elements) in moves.items():
            trained = [None if one.dropped else _with(one.run.network, one.state) for one in done]
            row = f"small.{group}.{name}"
            found[group][name] = measure_all(out, row, trained, images, some, elements, cfg)
    for group, told in found.items():
        rank_correlations(out, f"small.rho.{group}", told, accuracies)
    out.write()


def _with(network: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    network.load_state_dict(state)
    return network.requires_grad_(False).eval()


if __name__ == "__main__":
    stage.run(main, PAPER)
