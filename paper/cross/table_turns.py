"""Cross-examination, a table: every measure of every network, under quarter turns.

    python paper/cross/table_turns.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report.artefact import save_table
from learned_symmetry.report.examined import table
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["turns"])
    save_table(table(results, "c4"), "cross", "table_turns", cfg.scale, results.facts())


@command("cross/table_turns")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
