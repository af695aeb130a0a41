"""Bruintjes et al. 2023, the numbers of Figure 6a, which the paper does not print.

    python paper/bruintjes2023/fig6a_numbers.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["measure_augmentations"])
    rows = {f"fig6a.{name}": series for name, series in style.AUGMENTATIONS.items()}
    title = "Bruintjes et al. 2023, Figure 6a in numbers: translation in- and equivariance by augmentation"
    table = parts.table(results, title, "augmentation", rows, {})
    gains = {row: series for row, series in rows.items() if row != "fig6a.none"}
    table.rows.extend(parts.differences(results, gains, "equivariance less that of none, ± standard error"))
    save_table(table, "bruintjes2023", "fig6a_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig6a_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
