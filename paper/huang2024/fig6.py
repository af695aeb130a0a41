"""Huang et al. 2024, Figure 6: what clones of a p4 convolution make of a digit and of turned ones.

    python paper/huang2024/fig6.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig6.*

The clones are those of the first seed, the untrained layer is linear. Maps are the largest of four rotations.
Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

ROWS = ("0°", "90°", "180°")


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "huang2024", ["clone_c4", "pictures"])
    shown = read_result(cfg.scale, "huang2024", "pictures")["notes"]["fig6"]
    figure = draw.maps_figure(shown, draw.CLONES, ROWS)
    save_figure(figure, "huang2024", "fig6", cfg.scale, shown, results.facts())


@command("huang2024/fig6")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
