"""Bruintjes et al. 2023, Figure 5: rotation in- and equivariance by part of 7-layer CNNs, by task.

    python paper/bruintjes2023/fig5.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

The paper prints no values; ours are in the table `fig5_numbers`. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["measure_mnist6"])
    rows = {f"fig5.{name}": series for name, series in style.TASKS.items()}
    figure, drawn = parts.figure(results, rows, "rotation")
    save_figure(figure, "bruintjes2023", "fig5", cfg.scale, drawn, results.facts())


@command("bruintjes2023/fig5")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
