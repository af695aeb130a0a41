"""Bökman and Kahl 2023, Table 4: pairs of VGG11s that were trained apart, merged.

    python paper/bokman2023/table4.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.style import NETS

KINDS = ("cnn", "cnn_inv", "gcnn")
PAIRS = tuple((a, b) for place, a in enumerate(KINDS) for b in KINDS[place:])


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bokman2023", ["vgg_pairs"]), reference.of("bokman2023").metrics
    table = Table(
        title="Bökman and Kahl 2023, Table 4: merging different VGG11s",
        heads=("model 1", "model 2"),
        columns=("barrier", "barrier without REPAIR"),
        decimals=(4, 3),
        absent="",
        notes=("Barriers are relative (equation 4); without REPAIR they are not in the paper.",),
    )
    for first, second in PAIRS:
        names = [f"table4.{first}__{second}.{column}" for column in ("barrier", "barrier_norepair")]
        table.rows.append(((NETS[first].label, NETS[second].label), list(beside(results, known, names))))
    save_table(table, "bokman2023", "table4", cfg.scale, results.facts())


@command("bokman2023/table4")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
