"""Bruintjes et al. 2023, Figure 4: rank correlation of in- and equivariance with accuracy, by part.

    python paper/bruintjes2023/fig4.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

The paper prints no values. Without ImageNet and the weights, the figure says what is missing. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["imagenet"])
    rows = {"fig4.trans": "translation", "fig4.rot": "rotation"}
    figure, drawn = parts.correlations(results, rows)
    parts.say_not_run(figure, results, "imagenet")
    save_figure(figure, "bruintjes2023", "fig4", cfg.scale, drawn, results.facts())


@command("bruintjes2023/fig4")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
