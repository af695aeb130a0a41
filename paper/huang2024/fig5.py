"""Huang et al. 2024, Figure 5: what clones of a convolution make of a digit and of translated ones.

    python paper/huang2024/fig5.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig5.*

The clones are those of the first seed, the untrained layer is linear. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

ROWS = ("as it is", "right", "right and down")


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "huang2024", ["clone_t2", "pictures"])
    shown = read_result(cfg.scale, "huang2024", "pictures")["notes"]["fig5"]
    figure = draw.maps_figure(shown, draw.CLONES, ROWS)
    save_figure(figure, "huang2024", "fig5", cfg.scale, shown, results.facts())


@command("huang2024/fig5")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
