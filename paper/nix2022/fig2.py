"""Nix et al. 2022, Figure 2: shift transfer from the CNN to the student with the teacher's pooling head, by method.

    python paper/nix2022/fig2.py        # reads paper/results/SCALE/nix2022, writes paper/artefacts/SCALE/nix2022/fig2.*

Six panels are the paper's; CKA and the teacher are added. The paper's curves are lost, so the open marks are the values
in the authors' notebooks (paper/reference/nix2022.yaml). Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, reference, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

PAPER = ("none", "kd", "dm", "attention", "rdl", "orbit")  # the paper's panels, in its order
X, Y = "limit s of the training shifts", "test accuracy (%)"


def main(cfg: config.Settings) -> None:
    methods = [*cfg.methods, "orbit"]
    names = [m for m in PAPER if m in methods] + [m for m in methods if m not in PAPER] + ["teacher"]
    results = measured(cfg.scale, "nix2022", ["teacher", *(f"transfer_{method}" for method in methods)])
    known = reference.of("nix2022")

    figure, panels = style.panels([names[i : i + 4] for i in range(0, len(names), 4)], 1.7, xlabel=X, ylabel=Y)
    drawn = {}
    for name, axes in panels.items():
        title, extra = style.NAMES.get(name, name), name not in PAPER
        drawn[name] = draw.shift_panel(axes, results, known, f"fig2.{name}", cfg.shifts, title, extra=extra)
    draw.shift_legend(figure, "authors' notebooks, one seed (s = 30: their search)")
    save_figure(figure, "nix2022", "fig2", cfg.scale, drawn, results.facts())


@command("nix2022/fig2")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
