"""Bruintjes et al. 2023, the numbers of Figure 4, for small networks.

    python paper/bruintjes2023/fig4_small_numbers.py # reads paper/results/SCALE/bruintjes2023, writes artefacts

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.style import Series


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["small"])
    rows = {"small.rho.trans": Series("translation", "", "", ""), "small.rho.rot": Series("rotation", "", "", "")}
    title = "Bruintjes et al. 2023, Figure 4 in numbers: rank correlation with accuracy of small networks"
    table = parts.table(results, title, "moves", rows, {})
    save_table(table, "bruintjes2023", "fig4_small_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig4_small_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
