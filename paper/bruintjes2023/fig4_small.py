"""Bruintjes et al. 2023, Figure 4, for small networks: rank correlation of in- and equivariance with accuracy, by part.

    python paper/bruintjes2023/fig4_small.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

Not in the paper, which shows six published networks; ours are for every user. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["small"])
    rows = {"small.rho.trans": "translation", "small.rho.rot": "rotation"}
    figure, drawn = parts.correlations(results, rows)
    save_figure(figure, "bruintjes2023", "fig4_small", cfg.scale, drawn, results.facts())


@command("bruintjes2023/fig4_small")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
