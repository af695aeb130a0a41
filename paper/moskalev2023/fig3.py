"""Moskalev et al. 2023, Figure 3: saliency maps over the orbit, turned back, of augmented and regularised networks.

    python paper/moskalev2023/fig3.py   # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Rows are images, columns the angles at which the network saw them. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

TITLES = {"DA": "augmented (DA)", "IR": "regularised (IR)"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "moskalev2023", ["orbits"])
    notes = read_result(cfg.scale, "moskalev2023", "orbits")["notes"]
    count = len(notes["labels"])
    figure = style.blank(0.95 * count + 0.5)
    for block, (kind, title) in zip(figure.subfigures(1, 2, wspace=0.04), TITLES.items(), strict=True):
        block.suptitle(title, fontsize=8.5, fontweight="bold")
        maps = notes["maps"][kind]["maps"]
        cells = block.subplots(count, len(maps))
        for row in range(count):
            upright = draw.picture(notes["images"][0][row])
            for g, cell in enumerate(cells[row]):
                draw.salient(cell, upright, draw.picture(maps[g][row]))
                if row == 0:
                    cell.set_title(f"{90 * g}°", fontweight="normal", loc="center")
    data = {kind: notes["maps"][kind]["maps"] for kind in TITLES}
    data |= {"images": notes["images"][0], "labels": notes["labels"]}
    save_figure(figure, "moskalev2023", "fig3", cfg.scale, data, results.facts() | {"shown": "seed 0"})


@command("moskalev2023/fig3")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
