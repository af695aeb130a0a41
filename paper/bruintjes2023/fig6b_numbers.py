"""Bruintjes et al. 2023, the numbers of Figure 6b, which the paper does not print.

    python paper/bruintjes2023/fig6b_numbers.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["measure_widths"])
    rows = {f"fig6b.{name}": series for name, series in style.WIDTHS.items()}
    title = "Bruintjes et al. 2023, Figure 6b in numbers: translation in- and equivariance by width"
    table = parts.table(results, title, "width", rows, {"before_pooling": "Early to Late"})
    save_table(table, "bruintjes2023", "fig6b_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig6b_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
