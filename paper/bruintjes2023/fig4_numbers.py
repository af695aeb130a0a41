"""Bruintjes et al. 2023, the numbers of Figure 4, which the paper does not print.

    python paper/bruintjes2023/fig4_numbers.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

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
    results = measured(cfg.scale, "bruintjes2023", ["imagenet"])
    rows = {"fig4.trans": Series("translation", "", "", ""), "fig4.rot": Series("rotation", "", "", "")}
    title = "Bruintjes et al. 2023, Figure 4 in numbers: rank correlation with accuracy of six published networks"
    table = parts.table(results, title, "moves", rows, {})
    save_table(table, "bruintjes2023", "fig4_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig4_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
