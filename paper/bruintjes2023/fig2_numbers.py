"""Bruintjes et al. 2023, the numbers of Figures 2a and 2b; the paper prints the correlations of Figure 2b.

    python paper/bruintjes2023/fig2_numbers.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/...

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

COLUMNS = {"activation": "mean activation", "cosine": "cosine", "pearson": "Pearson"}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bruintjes2023", ["similarity"]), reference.of("bruintjes2023").metrics
    table = Table(
        title="Bruintjes et al. 2023, Figure 2 in numbers: cosine and Pearson's correlation as measures of invariance",
        heads=("",),
        columns=tuple(COLUMNS.values()),
        decimals=(3,) * len(COLUMNS),
        absent="",
        notes=("Blocks: invariance to a turn by 90 degrees after each residual block.",),
    )
    rows = {f"{cfg.maps.offset:g} added to a random map: absolute change": "fig2a.d_{}"}
    rows |= {f"block {k}": f"fig2b.{{}}.block{k}" for k in range(1, 3 * cfg.cifar10.resnet.n + 1)}
    rows["correlation over blocks with the mean activation"] = "fig2b.r_{}"
    for label, name in rows.items():
        metrics = [name.format(column) for column in COLUMNS]
        cells = [Cell(results.metric(m), known.get(m)) if m in results.metrics else None for m in metrics]
        table.rows.append(((label,), cells))
    save_table(table, "bruintjes2023", "fig2_numbers", cfg.scale, results.facts())


@command("bruintjes2023/fig2_numbers")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
