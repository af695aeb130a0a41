"""Bökman and Kahl 2023, Figure 9: first-layer filters of a ResNet-50, and mirrored as matching orders them.

    python paper/bokman2023/fig9.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Where the published weights were not measured, a small ResNet on CIFAR-10 is in their place. Draws; computes nothing.
"""

from __future__ import annotations

import math

import numpy as np

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

WANTED = ("resnet50", "tv_new", "ResNet-50, Torchvision new")


def main(cfg: config.Settings) -> None:
    odd = max(cfg.resnet.small.sizes)
    small = ("small_merge", f"supervised_{odd}", f"small ResNet on CIFAR-10 at {odd} px, in the place of ResNet-50")
    measured_weights = WANTED[1] in read_result(cfg.scale, "bokman2023", WANTED[0]).get("notes", {})
    stage, name, title = WANTED if measured_weights else small
    results = measured(cfg.scale, "bokman2023", [stage])
    stem = read_result(cfg.scale, "bokman2023", stage)["notes"][name]
    largest = np.abs(stem["filters"]).max()
    count = len(stem["filters"])
    columns = math.ceil(math.sqrt(count))
    figure, panels = style.pictures(2, aspect=math.ceil(count / columns) / columns)
    figure.get_layout_engine().set(wspace=0.1)
    for panel, key, what in zip(panels, ("filters", "twins"), ("filters", "mirrored, as matched"), strict=True):
        tiles = np.moveaxis(np.array(stem[key]), 1, -1)  # (out, k, k, 3)
        # As in the authors' notebook; small filters are larger and are scaled to fit
        shown = (tiles + 0.5).clip(0, 1) if measured_weights else tiles / (2 * largest) + 0.5
        draw.mosaic(panel, shown, what)
    figure.suptitle(title, fontsize=8)
    save_figure(figure, "bokman2023", "fig9", cfg.scale, stem | {"network": title}, results.facts())


@command("bokman2023/fig9")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
