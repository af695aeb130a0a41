"""Cross-examination, a table: every measure of every network, under translations.

    python paper/cross/table_shifts.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.examined import table
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["shifts"])
    save_table(table(results, "t2"), "cross", "table_shifts", cfg.scale, results.facts())


@command("cross/table_shifts")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
