"""Bökman and Kahl 2023, Tables 1 and 2, Figures 1 and 4 to 8: each VGG11 merged with its own mirror image.

dvc repro stages/bokman2023/dvc.yaml:vgg_merge
python stages/bokman2023/vgg_merge.py
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.flip_vgg import KINDS, PAPER
from learned_symmetry.flip_vgg_merge import Aligned, Merging
from learned_symmetry.groups import Flip
from learned_symmetry.measure.mirrored_filters import (
    kernel_residual,
    matched_twin,
    order_counts,
    order_shares,
    zero_filters,
)
from learned_symmetry.measure.relative_invariance import relative_invariance
from learned_symmetry.merge.average import relative_barrier
from learned_symmetry.merge.permute import flipped
from learned_symmetry.models import parameter_count
from learned_symmetry.models.vgg import VGG11
from learned_symmetry.precision import ieee_float32
from learned_symmetry.rng import generator

PAPER_WIDTH = 64
COLUMNS = (
    "accuracy",
    "flip_accuracy",
    "invariance_error",
    "halfway_accuracy",
    "halfway_accuracy_norepair",
    "gcnn_barrier",
    "gcnn_barrier_norepair",
)
PICTURED = ("cnn_inv", "cnn", "gcnn")  # Net A, Net B and the GCNN
ORDERS = ("order_1", "order_2", "order_gt2")


def main(cfg: Bokman2023) -> None:
    experiment = Merging(cfg)
    out = record.Stage(cfg, PAPER, "vgg_merge", source=experiment.source)
    grid = [(kind, seed) for kind in KINDS for seed in range(cfg.vgg.training.seeds)]
    with ieee_float32():
        found = dict(zip(grid, experiment.each(lambda item: measured(experiment, *item), grid), strict=True))
    counted: dict[str, Any] = {}
    for kind in KINDS:
        rows = [found[kind, seed] for seed in range(cfg.vgg.training.seeds)]
        with torch.device("meta"):  # whatever the width here
            count = parameter_count(VGG11(PAPER_WIDTH, KINDS[kind].equivariant))
        out.metric(f"table1.{kind}.params_million", [count / 1e6])
        for column in COLUMNS:
            out.metric(f"table2.{kind}.{column}", [row and row[column] for row in rows])
        for which in ("all", "live"):
            shares = [row and order_shares(row["orders"][which]) for row in rows]
            for place, name in enumerate(ORDERS):
                suffix = "" if which == "all" else "_live"
                out.metric(f"fig4.{kind}.fraction_{name}{suffix}", [share and share[place] for share in shares])
        out.metric(f"zero_filters.{kind}.conv2", [row and row["zero_filters"] for row in rows])
        for layer in ("conv1", "conv2"):
            out.metric(f"kernel_residual.{kind}.{layer}", [row and row[layer] for row in rows])
        kept = [row for row in rows if row]
        counted[kind] = {
            which: [
                [fmean(row["orders"][which][layer][place] for row in kept) for place in range(len(ORDERS))]
                for layer in (kept[0]["orders"][which] if kept else ())
            ]
            for which in ("all", "live")
        }
    first = {kind: next((s for s in range(cfg.vgg.training.seeds) if found[kind, s]), None) for kind in PICTURED}
    out.notes = {
        "orders": counted,
        "filters": {kind: {"seed": s} | found[kind, s]["filters"] for kind, s in first.items() if s is not None},
        "width": cfg.vgg.training.width,
    }
    out.write()


def measured(experiment: Merging, kind: str, seed: int) -> dict[str, Any] | None:
    """One network's row of Table 2, its channels' orders and its filters; None for a run that was dropped."""
    network = experiment.trained(kind, seed)
    if network is None:
        return None
    mirrored = flipped(network)
    pair = experiment.align(network, mirrored)
    ends = experiment.accuracy(network), experiment.accuracy(mirrored)
    plain, repaired = (experiment.accuracy(experiment.between(pair, 0.5, repair=repair)) for repair in (False, True))
    kernels = [network.layers[number][0].weight for number in range(2)]
    orders = [pair.order[f"layers.{number}"] for number in range(2)]
    return {
        "accuracy": ends[0],
        "flip_accuracy": ends[1],
        "invariance_error": relative_invariance(network, experiment.unaugmented, Flip()),
        "halfway_accuracy": repaired,
        "halfway_accuracy_norepair": plain,
        "gcnn_barrier": relative_barrier(*ends, repaired),
        "gcnn_barrier_norepair": relative_barrier(*ends, plain),
        "orders": order_counts(pair.order, pair.live),
        "zero_filters": zero_filters(kernels[1], experiment.merging.zero_filter_tolerance),
        "conv1": kernel_residual(kernels[0], orders[0]),
        "conv2": kernel_residual(kernels[1], orders[1], orders[0]),
        "filters": pictured(experiment, pair, kernels) if kind in PICTURED else None,
    }


def pictured(experiment: Merging, pair: Aligned, kernels: list[Tensor]) -> dict[str, Any]:
    """Filters beside what they were matched with: Figures 1 and 5 to 8 (protocol 2.7)."""
    first, second = (pair.order[f"layers.{number}"] for number in range(2))
    seed = experiment.merging.projection_seed
    project = torch.randn(3, kernels[1].shape[1], generator=generator(seed, "projection")).to(kernels[1].device)
    seen = {
        "conv1": kernels[0],
        "conv1_unflipped": kernels[0][first],  # steps 1 and 4 of Figure 2
        "conv1_twin": matched_twin(kernels[0], first),
        "conv2": torch.einsum("rc,ochw->orhw", project, kernels[1]),
        "conv2_twin": torch.einsum("rc,ochw->orhw", project, matched_twin(kernels[1], second, first)),
    }
    return {name: [[round(value, 5) for value in row] for row in x.flatten(1).tolist()] for name, x in seen.items()}


if __name__ == "__main__":
    stage.run(main, PAPER)
