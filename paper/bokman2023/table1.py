"""Bökman and Kahl 2023, Table 1: the kinds of VGG11 and their numbers of parameters.

    python paper/bokman2023/table1.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.style import NETS

TRAINED = {
    "cnn": "cross-entropy, images mirrored at random",
    "cnn_noaug": "cross-entropy, images never mirrored",
    "cnn_inv": "CNN + invariance loss",
    "cnn_lateinv": "CNN + invariance loss after 20 % of the epochs",
    "gcnn": "CNN, all layers flip-equivariant, pairs of channels averaged at the end",
    "pgcnn": "CNN, the first two layers flip-equivariant",
    "pgcnn_lateinv": "PGCNN + invariance loss after 20 % of the epochs",
}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bokman2023", ["vgg_merge"]), reference.of("bokman2023").metrics
    table = Table(
        title="Bökman and Kahl 2023, Table 1: kinds of VGG11",
        heads=("network", "what it is"),
        columns=("parameters (million)",),
        decimals=(2,),
        absent="",
        notes=(f"Counted at the paper's width, 64; at scale {cfg.scale} it is {cfg.vgg.training.width}.",),
    )
    for kind, trained in TRAINED.items():
        cells = beside(results, known, [f"table1.{kind}.params_million"])
        table.rows.append(((NETS[kind].label, trained), list(cells)))
    save_table(table, "bokman2023", "table1", cfg.scale, results.facts())


@command("bokman2023/table1")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
