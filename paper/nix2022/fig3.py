"""Nix et al. 2022, Figure 3: as Figure 2, but the student ends in a linear layer, which cannot undo a mixed-up shift.

    python paper/nix2022/fig3.py        # reads paper/results/SCALE/nix2022, writes paper/artefacts/SCALE/nix2022/fig3.*

The first row is the paper's; the other methods, in the second, are added. The paper's curves are lost, so the open
marks are the values in the authors' notebooks (paper/reference/nix2022.yaml). Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, reference, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

PAPER = ("none", "dm", "orbit")  # the paper's panels, in its order
X, Y = "limit s of the training shifts", "test accuracy (%)"


def main(cfg: config.Settings) -> None:
    methods = [*cfg.methods, "orbit"]
    rows = [[m for m in PAPER if m in methods], [m for m in methods if m not in PAPER]]
    results = measured(cfg.scale, "nix2022", [f"transfer_{method}" for method in methods])
    known = reference.of("nix2022")

    figure, panels = style.panels([row for row in rows if row], 1.7, xlabel=X, ylabel=Y)
    drawn = {}
    for name, axes in panels.items():
        title, extra = style.NAMES.get(name, name), name not in PAPER
        drawn[name] = draw.shift_panel(axes, results, known, f"fig3.{name}", cfg.shifts, title, extra=extra)
    draw.shift_legend(figure, "authors' notebooks, one seed (s = 30: their search)")
    save_figure(figure, "nix2022", "fig3", cfg.scale, drawn, results.facts())


@command("nix2022/fig3")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
