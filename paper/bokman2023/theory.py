"""Bökman and Kahl 2023, the theory in numbers (not a table of the paper, which proves its statements).

    python paper/bokman2023/theory.py # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

COLUMNS = {"cases": "cases", "residual": "largest residual", "witness": "smallest violation"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bokman2023", ["theory"])
    table = Table(
        title="Bökman and Kahl 2023: the statements as numerical checks",
        heads=("statement", "tried"),
        columns=tuple(COLUMNS.values()),
        notes=(
            "Largest residual: where the statement asks for equality, in float64. Smallest violation: among what the"
            " statement excludes; empty where it excludes nothing.",
        ),
        absent="",
        decimals=(0, None, None),
    )
    for about in read_result(cfg.scale, "bokman2023", "theory")["notes"]["statements"]:
        found = [results.metrics.get(f"theory.{about['key']}.{column}") for column in COLUMNS]
        table.rows.append(((about["name"], about["tried"]), [metric and Cell(metric, None) for metric in found]))
    save_table(table, "bokman2023", "theory", cfg.scale, results.facts())


@command("bokman2023/theory")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
