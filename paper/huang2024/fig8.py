"""Huang et al. 2024, Figure 8: what a Mixer that clones a steerable convolution makes of a glyph and of turned ones.

    python paper/huang2024/fig8.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig8.*

The mixer is that of the first seed, the untrained layer is linear; of four channels the first. Draws; computes nothing.
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
    results = measured(cfg.scale, "huang2024", ["mixer_so2"])
    shown = read_result(cfg.scale, "huang2024", "mixer_so2")["notes"]
    figure = draw.maps_figure(shown, draw.MIXERS, ROWS)
    save_figure(figure, "huang2024", "fig8", cfg.scale, shown, results.facts())


@command("huang2024/fig8")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
