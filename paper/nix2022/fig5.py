"""Nix et al. 2022, Figure 5: the learned kernels, and what each does to an image.

    python paper/nix2022/fig5.py        # reads paper/results/SCALE/nix2022, writes paper/artefacts/SCALE/nix2022/fig5.*

The kernels are those of the first seed. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result


def main(cfg: config.Settings) -> None:
    stage = "image_orbit_cnn_mlp"
    results, shown = measured(cfg.scale, "nix2022", [stage]), read_result(cfg.scale, "nix2022", stage)["notes"]
    onehot, distinct = (results.metric(f"fig5.kernels.{name}")["values"] for name in ("onehot", "distinct"))
    figure, (left, right) = style.pictures(2)
    title = f"learned kernels, {onehot[0]:.0f} of {len(shown['kernels'])} mostly one shift"
    draw.mosaic(left, shown["kernels"], title, signed=True)
    draw.mosaic(right, shown["moved"], "each applied once to one test image")
    data = {**shown, "onehot": onehot, "distinct": distinct}
    save_figure(figure, "nix2022", "fig5", cfg.scale, data, results.facts())


@command("nix2022/fig5")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
