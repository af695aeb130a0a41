"""Bruintjes et al. 2023, Figure 7b: rotation in- and equivariance by part and network.

    python paper/bruintjes2023/fig7b.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

The paper prints no values. Without ImageNet and the weights, the figure says what is missing. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["imagenet"])
    rows = {f"fig7b.{name}": series for name, series in style.PUBLISHED.items()}
    figure, drawn = parts.figure(results, rows, "rotation")
    parts.say_not_run(figure, results, "imagenet")
    save_figure(figure, "bruintjes2023", "fig7b", cfg.scale, drawn, results.facts())


@command("bruintjes2023/fig7b")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
