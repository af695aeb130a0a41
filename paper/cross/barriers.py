"""Cross-examination, a figure: do equivariant layers go with low GCNN barriers? Barrier over two measures, by network.

    python paper/cross/barriers.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.examined import legend, scatter
from learned_symmetry.report.measured import measured

PANELS = {"eqv": "layerwise equivariance (Bruintjes et al.)", "relative": "relative invariance error (Bökman and Kahl)"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["flips"])
    figure = style.blank(3.1)
    drawn = {}
    for panel, (measure, label) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        panel.axhline(0, color=style.GREY, linewidth=0.6)
        drawn[measure] = scatter(panel, results, "cifar", measure, "barrier")
        panel.set_xlabel(label)
    figure.axes[0].set_ylabel("relative GCNN barrier")
    legend(figure, ("cifar",))
    save_figure(figure, "cross", "barriers", cfg.scale, drawn, results.facts())


@command("cross/barriers")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
