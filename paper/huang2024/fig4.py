"""Huang et al. 2024, Figure 4: the matrix that a 9-block clone applies, beside the convolution's Toeplitz matrix.

    python paper/huang2024/fig4.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/fig4.*

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
    shown = read_result(cfg.scale, "huang2024", "pictures")["notes"]["fig4"]
    size = shown["size"]
    figure, (left, right) = style.pictures(2, aspect=(size - 2) ** 2 / size**2)
    draw.mosaic(left, [shown["true"]], f"3 × 3 convolution of {size} × {size} pixels", signed=True)
    draw.mosaic(right, [shown["clone"]], "learned by 9 blocks", signed=True)
    save_figure(figure, "huang2024", "fig4", cfg.scale, shown, results.facts())


@command("huang2024/fig4")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
