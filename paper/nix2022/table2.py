"""Nix et al. 2022, Table 2: who stays right when MNIST's digits are turned, and whom a teacher taught it.

    python paper/nix2022/table2.py # reads paper/results/SCALE/nix2022, writes artefacts/SCALE/nix2022/table2.*

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.papers import image_stages

ROWS = ("teacher", "student", "kd", "rdl", "attention", "orbit")
COLUMNS = ("upright", "rotated")


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "nix2022", image_stages(cfg)), reference.of("nix2022").metrics
    table = Table(
        title="Nix et al. 2022, Table 2: test accuracy on MNIST, upright and turned by 0, 90, 180 and 270 degrees",
        heads=("method",),
        columns=COLUMNS,
        notes=(
            "Rotated: each image in all four turns; the paper draws one for each (D38).",
            f"The G-CNN's channels here: {', '.join(map(str, cfg.images.gcnn_channels))} (the paper's: 8, 32, 64).",
        ),
    )
    for row in ROWS:
        names = [f"table2.{row}.{column}" for column in COLUMNS]
        table.rows.append(((style.NAMES.get(row, row),), beside(results, known, names)))
    save_table(table, "nix2022", "table2", cfg.scale, results.facts())


@command("nix2022/table2")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
