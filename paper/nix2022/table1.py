"""Nix et al. 2022, Table 1: who stays right when MNIST's digits move, and whom a teacher taught it.

    python paper/nix2022/table1.py # reads paper/results/SCALE/nix2022, writes artefacts/SCALE/nix2022/table1.*

What the paper has not, the ViT with attention, is "not run". Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.papers import image_stages

ROWS = ("teacher", "student", "augment", "kd", "attention", "rdl", "orbit")
COLUMNS = {
    "cnn_mlp_centered": "CNN → MLP, centered",
    "cnn_mlp_translated": "CNN → MLP, translated",
    "resnet_vit_centered": "ResNet-18 → ViT, centered",
    "resnet_vit_translated": "ResNet-18 → ViT, translated",
}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "nix2022", image_stages(cfg)), reference.of("nix2022").metrics
    table = Table(
        title="Nix et al. 2022, Table 1: test accuracy on MNIST (centered) and MNIST-C translate (translated)",
        heads=("method",),
        columns=tuple(COLUMNS.values()),
        notes=(
            "The paper's centered accuracy of Augment was measured on training images (D34).",
            f"The CNN's channels here: {', '.join(map(str, cfg.images.cnn_channels))} (the paper's: 128, 64, 64); the"
            f" ResNet's first width: {cfg.images.resnet_width} (64).",
        ),
    )
    for row in ROWS:
        names = [f"table1.{row}.{column}" for column in COLUMNS]
        table.rows.append(((style.NAMES.get(row, row),), beside(results, known, names)))
    save_table(table, "nix2022", "table1", cfg.scale, results.facts())


@command("nix2022/table1")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
