"""Bökman and Kahl 2023, Table 2: VGG11s on CIFAR-10, each merged with its own mirror image.

    python paper/bokman2023/table2.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.style import NETS

COLUMNS = {  # the last three are not in the paper; decimals, None for powers of ten
    "accuracy": ("accuracy", 3),
    "invariance_error": ("invariance error", None),
    "gcnn_barrier": ("GCNN barrier", 4),
    "gcnn_barrier_norepair": ("barrier without REPAIR", 3),
    "flip_accuracy": ("flip accuracy", 3),
    "halfway_accuracy": ("halfway accuracy", 3),
}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bokman2023", ["vgg_merge"]), reference.of("bokman2023").metrics
    table = Table(
        title="Bökman and Kahl 2023, Table 2: VGG11s on CIFAR-10",
        heads=("network",),
        columns=tuple(label for label, _ in COLUMNS.values()),
        decimals=tuple(decimals for _, decimals in COLUMNS.values()),
        absent="",
        notes=(
            "Barriers are relative (equation 4), of the network and its mirror image with matched channels; columns"
            " after the third are not in the paper. Flip accuracy: of the network with mirrored filters.",
        ),
    )
    for kind in NETS:
        table.rows.append(((NETS[kind].label,), list(beside(results, known, [f"table2.{kind}.{c}" for c in COLUMNS]))))
    save_table(table, "bokman2023", "table2", cfg.scale, results.facts())


@command("bokman2023/table2")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
