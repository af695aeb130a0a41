"""Huang et al. 2024, Table 1: who classifies moved digits, and who can tell how they were moved.

    python paper/huang2024/table1.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/table1.*

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.papers import classified

HALVES = {
    "t2": ("translated MNIST", ("mlp", "cnn", "mlp2cnn9", "mlp2cnn8", "mlp2cnn7", "mlp2cnn_unfreeze")),
    "c4": ("rotated MNIST", ("mlp", "gcnn", "mlp2gcnn9", "mlp2gcnn8", "mlp2gcnn7", "mlp2gcnn_unfreeze")),
}
COLUMNS = {"symmetry": "symmetry", "breaking": "symmetry breaking"}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "huang2024", classified()), reference.of("huang2024").metrics
    block, size = cfg.classifiers, {group: cfg.canvas.size(group) for group in HALVES}
    channels = {name: ", ".join(map(str, getattr(block, name))) for name in ("cnn", "gcnn", "cloned")}
    table = Table(
        title="Huang et al. 2024, Table 1: test accuracy",
        heads=("data", "model"),
        columns=tuple(COLUMNS.values()),
        notes=(
            "Symmetry: trained on digits as they are, tested on moved ones, ten classes. Symmetry breaking: moved in"
            " training too, twenty classes by how they were moved. Rotated: all four turns of each test image (D12).",
            f"Pixels a side here: {size['t2']} translated, {size['c4']} rotated; channels of the four layers:"
            f" CNN {channels['cnn']}; GCNN {channels['gcnn']}; clones {channels['cloned']}.",
        ),
    )
    for group, (data, rows) in HALVES.items():
        for row in rows:
            names = [f"table1.{row}.{group}_{column}" for column in COLUMNS]
            table.rows.append(((data, style.NAMES.get(row, row)), beside(results, known, names)))
    save_table(table, "huang2024", "table1", cfg.scale, results.facts())


@command("huang2024/table1")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
