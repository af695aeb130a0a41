"""Moskalev et al. 2023, Figure 2: where an augmented network puts the turned copies of an image (t-SNE).

    python paper/moskalev2023/fig2.py   # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Dots: test images in all four orientations, coloured by class; lines join the orbits of three images, whose copies stand
on the right with their salient pixels in red. Draws; computes nothing.
"""

from __future__ import annotations

import numpy as np

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

MARKS = "osD"


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "moskalev2023", ["orbits"])
    latent = read_result(cfg.scale, "moskalev2023", "orbits")["notes"]["latent"]
    places, labels = np.array(latent["places"]), np.array(latent["labels"])  # (order, n, 2), (n,)
    figure = style.blank(3.5)
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    axes = left.subplots()
    for label in np.unique(labels):
        x, y = places[:, labels == label].reshape(-1, 2).T
        axes.plot(x, y, ".", color=style.CLASSES[label], markersize=2.6, alpha=0.55, markeredgewidth=0, label=label)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("last hidden layer, DA, R4 (t-SNE)")
    axes.legend(
        ncols=9, loc="upper center", bbox_to_anchor=(0.5, 0.0), markerscale=4, handletextpad=0, columnspacing=0.6
    )
    cells = right.subplots(len(latent["traced"]), len(places))
    for row, (index, mark) in enumerate(zip(latent["traced"], MARKS, strict=True)):
        x, y = np.append(places[:, index], places[:1, index], axis=0).T
        axes.plot(x, y, "k-", linewidth=0.9, marker=mark, markersize=5, markerfacecolor="white")
        for g, cell in enumerate(cells[row]):
            draw.salient(cell, draw.picture(latent["images"][g][row]), draw.picture(latent["maps"][g][row]))
            if row == 0:
                cell.set_title(f"{90 * g}°", fontweight="normal", loc="center")
        cells[row, 0].set_ylabel(f"{'●■◆'[row]} {labels[index]}")
    save_figure(figure, "moskalev2023", "fig2", cfg.scale, latent, results.facts() | {"shown": "seed 0"})


@command("moskalev2023/fig2")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
