"""Huang et al. 2024, Figures 2, 4, 5 and 6: the data, a learned matrix, and what clones make of moved digits.

dvc repro stages/huang2024/dvc.yaml:pictures
python stages/huang2024/pictures.py

The clones are those of the first seed; the figures' numbers are the result's notes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from learned_symmetry import record, stage
from learned_symmetry.cloning.clone import KERNEL, TURNS, cloned, convolved
from learned_symmetry.cloning.training import PAPER, layers, untrained
from learned_symmetry.config.huang2024 import Group, Huang2024
from learned_symmetry.data import mnist
from learned_symmetry.groups import translated
from learned_symmetry.record import told
from learned_symmetry.rng import generator
from learned_symmetry.symmetry_cloning import Experiment, load_clone

TILES = 9  # images of a panel of Figure 2
DIGIT = 4  # of the test set, in Figures 5 and 6
BLOCKS = (9, 7)


@torch.no_grad()
def main(cfg: Huang2024) -> None:
    experiments: dict[Group, Experiment] = {group: Experiment(cfg, group) for group in ("t2", "c4")}
    out = record.Stage(cfg, PAPER, "pictures", source=experiments["t2"].source, fingerprint=stage.fingerprint(cfg))
    images, _ = mnist.load("test", cfg)
    digits = {group: experiment.canvas(images[: max(TILES, DIGIT + 1)]) for group, experiment in experiments.items()}
    steps = torch.tensor([0, 1, 1]) * cfg.canvas.max_shift
    shifted = translated(digits["t2"][[DIGIT] * 3], steps * torch.tensor([0, 0, 1]), steps)
    turned = TURNS.orbit(digits["c4"][DIGIT])[:3]
    out.notes = {
        "fig2": datasets(experiments, digits),
        "fig4": matrices(cfg),
        "fig5": maps(cfg, "t2", shifted),
        "fig6": maps(cfg, "c4", turned),
    }
    out.write()


def datasets(experiments: dict[Group, Experiment], digits: dict[Group, Tensor]) -> dict[str, Any]:
    """Images as they are, translated and turned, as the symmetric tasks test them."""
    panels = {"original": digits["t2"][:TILES]}
    for group, title in (("t2", "translated"), ("c4", "rotated")):
        x, task = digits[group][:TILES], experiments[group].task("symmetry")
        moves = task.draw(generator(0, "figure 2", group), len(x))
        panels[title] = task.moved(x, torch.zeros(len(x)), **moves)[0]
    return {title: told(x.squeeze(1)) for title, x in panels.items()}


def matrices(cfg: Huang2024) -> dict[str, Any]:
    """What the clone of the third layer applies for one random kernel, beside the convolution's Toeplitz matrix."""
    layer, size = layers("t2", cfg.canvas.size("t2"))[2]
    clone = load_clone(cfg, "t2", layer, size, 9, 0)
    kernel = torch.randn(9, generator=generator(0, "figure 4"))
    basis = torch.eye(size**2).view(-1, 1, size, size)
    true = convolved(layer, basis, kernel.unsqueeze(0)).flatten(1).mT
    return {"true": told(true), "clone": told(clone.matrices(kernel)[0, 0]), "size": size}


def maps(cfg: Huang2024, group: Group, x: Tensor) -> dict[str, Any]:
    """Of images (3, 1, h, h): themselves, and what the first layer, its clones and an untrained one make of them.

    Of P4 maps the largest of the four rotations (authors' notebook).
    """
    layer, size = layers(group, cfg.canvas.size(group))[0]
    kernel = torch.rand(1, *KERNEL[layer], generator=generator(0, "figures 5 and 6"))
    clones = {blocks: load_clone(cfg, group, layer, size, blocks, 0) for blocks in BLOCKS}
    columns = {"input": x, "true layer": convolved(layer, x, kernel).amax((1, 2))}
    columns |= {f"{blocks} blocks": cloned(clone, x, kernel).amax((1, 2)) for blocks, clone in clones.items()}
    columns["untrained"] = untrained(layer, size, 0)(x).amax((1, 2))
    return {title: told(column.flatten(0, -3)) for title, column in columns.items()}


if __name__ == "__main__":
    stage.run(main, PAPER)
