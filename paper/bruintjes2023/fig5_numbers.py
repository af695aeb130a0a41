"""Bruintjes et al. 2023, the numbers of Figure 5, which the paper does not print.

    python paper/bruintjes2023/fig5_numbers.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["measure_mnist6"])
    rows = {f"fig5.{name}": series for name, series in style.TASKS.items()}
    title = "Bruintjes et al. 2023, Figure 5 in numbers: rotation in- and equivariance by task"
    table = parts.table(results, title, "task", rows, {})
    save_table(table, "bruintjes2023", "fig5_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig5_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
