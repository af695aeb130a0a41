"""Bruintjes et al. 2023, Figure 7a, for small networks: translation in- and equivariance by part and network.

    python paper/bruintjes2023/fig7a_small.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

Not in the paper, which shows six published networks; ours are for every user. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["small"])
    rows = {f"small.trans.{name}": series for name, series in style.SMALL.items()}
    figure, drawn = parts.figure(results, rows, "translation")
    save_figure(figure, "bruintjes2023", "fig7a_small", cfg.scale, drawn, results.facts())


@command("bruintjes2023/fig7a_small")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
