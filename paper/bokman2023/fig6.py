"""Bökman and Kahl 2023, Figure 6: second-layer filters of Net B beside their matched twins.

    python paper/bokman2023/fig6.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Each pair: a filter, and the mirrored filter that it was matched with, channels in the matched order.
The kernels' input channels are projected to red, green and blue, by the same random matrix on both sides.
Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

PANELS = {"Net B, augmentation only: conv2": ("cnn", "conv2", "conv2_twin")}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bokman2023", ["vgg_merge"])
    filters = read_result(cfg.scale, "bokman2023", "vgg_merge")["notes"]["filters"]
    figure, drawn = draw.filter_figure(filters, PANELS)
    save_figure(figure, "bokman2023", "fig6", cfg.scale, drawn, results.facts())


@command("bokman2023/fig6")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
