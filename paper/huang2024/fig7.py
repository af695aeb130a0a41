"""Huang et al. 2024, Figure 7: what a Mixer that clones a convolution makes of a glyph and of moved ones.

    python paper/huang2024/fig7.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig7.*

The mixer is that of the first seed, the untrained layer is linear; of four channels the first. Draws; computes nothing.
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
    results = measured(cfg.scale, "huang2024", ["mixer_t2"])
    shown = read_result(cfg.scale, "huang2024", "mixer_t2")["notes"]
    figure = draw.maps_figure(shown, draw.MIXERS, ROWS)
    save_figure(figure, "huang2024", "fig7", cfg.scale, shown, results.facts())


@command("huang2024/fig7")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
