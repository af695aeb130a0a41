"""Cross-examination, the table: every measure of every network.

    python paper/cross/table.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

COLUMNS = {
    "upright": "upright",
    "turned": "all turns",
    "li": "LI",
    "di": "DI",
    "relative": "relative error",
    "si": "SI",
    "jacobian": "Jacobian",
}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["examine"])
    table = Table(
        title="Cross-examination: each paper's measures on the networks of the others, under quarter turns",
        heads=("networks of", "network"),
        columns=tuple(COLUMNS.values()),
        decimals=(3, 3, None, None, None, 3, 2),
        absent="",
        notes=(
            "Upright, all turns: accuracy. LI, DI, SI: Moskalev et al. (DI in nats; SI is better high). Relative error:"
            " Bökman and Kahl. Jacobian: its largest singular value. LI and Jacobian compare networks of one paper.",
        ),
    )
    for name, examined in style.EXAMINED.items():
        cells = [Cell(results.metric(f"c4.{name}.{column}"), None) for column in COLUMNS]
        table.rows.append(((examined.paper, examined.label), cells))
    save_table(table, "cross", "table", cfg.scale, results.facts())


@command("cross/table")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
