"""Bruintjes et al. 2023, the numbers of Figure 7, for small networks.

    python paper/bruintjes2023/fig7_small_numbers.py # reads paper/results/SCALE/bruintjes2023, writes artefacts

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.style import Series


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["small"])
    rows = {
        f"{figure}.{name}": Series(f"{series.label}, {moves}", series.colour, series.marker, series.dash)
        for figure, moves in (("small.trans", "translation"), ("small.rot", "rotation"))
        for name, series in style.SMALL.items()
    }
    title = "Bruintjes et al. 2023, Figure 7 in numbers: in- and equivariance of small networks on CIFAR-10"
    table = parts.table(results, title, "network", rows, {})
    save_table(table, "bruintjes2023", "fig7_small_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig7_small_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
