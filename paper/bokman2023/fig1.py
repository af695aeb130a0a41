"""Bökman and Kahl 2023, Figure 1: first-layer filters of Nets A and B beside their matched twins.

    python paper/bokman2023/fig1.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Each pair: a filter, and the one of the same network that was matched with its mirror image, as it is.
Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

PANELS = {
    "Net A, with invariance loss: conv1": ("cnn_inv", "conv1", "conv1_unflipped"),
    "Net B, augmentation only: conv1": ("cnn", "conv1", "conv1_unflipped"),
}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bokman2023", ["vgg_merge"])
    filters = read_result(cfg.scale, "bokman2023", "vgg_merge")["notes"]["filters"]
    figure, drawn = draw.filter_figure(filters, PANELS)
    save_figure(figure, "bokman2023", "fig1", cfg.scale, drawn, results.facts())


@command("bokman2023/fig1")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
