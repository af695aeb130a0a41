"""Moskalev et al. 2023, Table 1: accuracy and invariance on Transforming-MNIST.

    python paper/moskalev2023/table1.py # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

COLUMNS = {"acc": "Acc (%)", "li": "LI", "di": "DI", "si": "SI"}
DECIMALS = (1, 2, 3, 2)


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "moskalev2023", ["measure"]), reference.of("moskalev2023").metrics
    table = Table(
        title="Moskalev et al. 2023, Table 1: accuracy and invariance errors on Transforming-MNIST",
        heads=("group", "network"),
        columns=tuple(COLUMNS.values()),
        decimals=DECIMALS,
        notes=(
            "R4: quarter turns, T3: cyclic translations by 12 pixels; WT: weight-tied, DA: augmentation, IR: logit"
            " regulariser. LI and DI are better low (DI in nats), SI is better high.",
        ),
    )
    for group in ("R4", "T3"):
        for kind in ("WT", "DA", "IR"):
            names = [f"{column}.{group}.{kind}" for column in COLUMNS]
            table.rows.append(((group, kind), [Cell(results.metric(name), known.get(name)) for name in names]))
    save_table(table, "moskalev2023", "table1", cfg.scale, results.facts())


@command("moskalev2023/table1")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
