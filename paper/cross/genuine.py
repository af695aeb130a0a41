"""Cross-examination, a figure: is what is invariant genuinely so? SI over the relative invariance error, by network.

    python paper/cross/genuine.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.examined import legend, scatter
from learned_symmetry.report.measured import measured

PANELS = {"c4": "Digits, quarter turns", "cifar": "Photographs, mirroring"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["turns", "flips"])
    figure = style.blank(3.3)
    drawn = {}
    for panel, (group, title) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        drawn[group] = scatter(panel, results, group, "relative", "si")
        panel.set(title=title, xlabel="relative invariance error (Bökman and Kahl)", ylim=(0, 1.05))
    figure.axes[0].set_ylabel("saliency similarity SI (Moskalev et al.)")
    legend(figure, PANELS)
    save_figure(figure, "cross", "genuine", cfg.scale, drawn, results.facts())


@command("cross/genuine")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
