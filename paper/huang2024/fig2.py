"""Huang et al. 2024, Figure 2: digits as they are, translated and rotated.

    python paper/huang2024/fig2.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig2.*

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "huang2024", ["clone_t2", "pictures"])
    panels = read_result(cfg.scale, "huang2024", "pictures")["notes"]["fig2"]
    figure, axes = style.pictures(len(panels))
    for panel, title in zip(axes, ("original", "translated", "rotated"), strict=True):
        draw.mosaic(panel, panels[title], title)
    save_figure(figure, "huang2024", "fig2", cfg.scale, panels, results.facts())


@command("huang2024/fig2")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
