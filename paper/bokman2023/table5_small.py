"""Bökman and Kahl 2023, Tables 3 and 5 in small form: ResNets on CIFAR-10, which the paper does not have.

    python paper/bokman2023/table5_small.py # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import merges
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

KINDS = {"supervised": "supervised", "supervised_inv": "supervised + inv-loss", "simsiam": "SimSiam"}


def main(cfg: config.Settings) -> None:
    results, small = measured(cfg.scale, "bokman2023", ["small_merge"]), cfg.resnet.small
    table = Table(
        title="Bökman and Kahl 2023, Tables 3 and 5 in small form: ResNets on CIFAR-10 merged with their mirror images",
        heads=("network", "image size"),
        columns=tuple(merges.COLUMNS.values()),
        notes=(
            merges.NOTE,
            f"ResNets of {sum(small.blocks)} bottlenecks and width {small.width}; in the paper these are ResNet-50s on"
            " ImageNet, at 224 and 225 pixels.",
        ),
        absent="",
        decimals=merges.DECIMALS,
    )
    for kind, label in KINDS.items():
        for size in small.sizes:
            cells = [Cell(results.metric(f"table5_small.{kind}_{size}.{column}"), None) for column in merges.COLUMNS]
            table.rows.append(((label, str(size)), cells))
    save_table(table, "bokman2023", "table5_small", cfg.scale, results.facts())


@command("bokman2023/table5_small")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
