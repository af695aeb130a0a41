"""Moskalev et al. 2023, Figure 1: what augmented and weight-tied networks look at while an image turns.

    python paper/moskalev2023/fig1.py   # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Upper row: image and saliency as they lie; lower row: the saliency turned back. Draws; computes nothing.
"""

from __future__ import annotations

import numpy as np

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

IMAGE = 2  # of those in the result
TITLES = {"DA": "augmented: learned features", "WT": "weight-tied: tied features"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "moskalev2023", ["orbits"])
    notes = read_result(cfg.scale, "moskalev2023", "orbits")["notes"]
    label, drawn = notes["labels"][IMAGE], {}
    figure = style.blank(2.5)
    for block, (kind, title) in zip(figure.subfigures(1, 2, wspace=0.04), TITLES.items(), strict=True):
        block.suptitle(title, fontsize=8.5, fontweight="bold")
        cells = block.subplots(2, len(notes["images"]))
        shown = notes["maps"][kind]
        for g, column in enumerate(cells.T):
            image, saliency = draw.picture(notes["images"][g][IMAGE]), draw.picture(shown["maps"][g][IMAGE])
            draw.salient(column[0], image, np.rot90(saliency, g))
            draw.salient(column[1], np.rot90(image, -g), saliency)
            column[0].set_title(f"{90 * g}°", fontweight="normal", loc="center")
            column[0].set_xlabel(f"p({label}) = {shown['probabilities'][g][IMAGE][label]:.2f}", fontsize=7)
        cells[1, 0].set_ylabel("turned back")
        drawn[kind] = {
            "maps": [maps[IMAGE] for maps in shown["maps"]],
            "probabilities": [answers[IMAGE] for answers in shown["probabilities"]],
        }
    data = {"label": label, "images": [images[IMAGE] for images in notes["images"]], **drawn}
    save_figure(figure, "moskalev2023", "fig1", cfg.scale, data, results.facts() | {"shown": "seed 0"})


@command("moskalev2023/fig1")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
