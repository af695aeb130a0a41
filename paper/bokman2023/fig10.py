"""Bökman and Kahl 2023, Figure 10: an image of each class of Example C.2, and the filter that tells them apart.

    python paper/bokman2023/fig10.py  # reads paper/results/SCALE/bokman2023, writes paper/artefacts/SCALE/bokman2023

The shapes are ours (the paper draws others). Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

TITLES = {"class0": "Class 0", "class1": "Class 1", "filter": "Filter: class 0 in one orientation"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bokman2023", ["theory"])
    shown = read_result(cfg.scale, "bokman2023", "theory")["notes"]["examplec2"]
    figure, panels = style.pictures(len(TITLES))
    for panel, (name, title) in zip(panels, TITLES.items(), strict=True):
        draw.mosaic(panel, [shown[name]], title, signed=name == "filter")
        for edge in range(2, len(shown[name]), 2):  # of the cells
            panel.axhline(edge - 0.5, color=style.GREY, linewidth=0.4)
            panel.axvline(edge - 0.5, color=style.GREY, linewidth=0.4)
    for row, values in enumerate(shown["filter"]):
        for column, value in enumerate(values):
            panels[-1].text(column, row, f"{value:+.0f}", color="w", ha="center", va="center")
    save_figure(figure, "bokman2023", "fig10", cfg.scale, shown, results.facts())


@command("bokman2023/fig10")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
