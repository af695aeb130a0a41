"""Nix et al. 2022, Figures 2 and 3 in numbers (not a table of the paper, whose figures cannot be read off).

    python paper/nix2022/table1d.py  # reads paper/results/SCALE/nix2022, writes paper/artefacts/SCALE/nix2022/table1d.*

Accuracy of each method, with each head, for each limit s of the training shifts, on seen, unseen and all shifts. The
paper's values are those in the authors' notebooks (paper/reference/nix2022.yaml). Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

FIGURE = {"pooling": "fig2", "linear": "fig3"}  # which figure shows a head, and so names its metrics


def main(cfg: config.Settings) -> None:
    methods = [*cfg.methods, "orbit"]
    results = measured(cfg.scale, "nix2022", ["teacher", *(f"transfer_{method}" for method in methods)])
    known = reference.of("nix2022").metrics

    table = Table(
        title="Nix et al. 2022, MNIST-1D: test accuracy by method, head and limit s of the training shifts",
        heads=("method", "head", "test shifts"),
        columns=tuple(f"s = {s}" for s in cfg.shifts),
        notes=("Values in brackets: the authors' notebooks, one seed, the runs that could be recovered.",),
        absent="",
    )
    for method, head in [("teacher", "pooling"), *((method, head) for method in methods for head in cfg.heads)]:
        for shifts in style.SERIES:
            metrics = [f"{FIGURE[head]}.{method}.s{s}_{shifts}" for s in cfg.shifts]
            cells = [Cell(results.metric(metric), known.get(metric)) for metric in metrics]
            table.rows.append(((style.NAMES.get(method, method), head, shifts), cells))
    save_table(table, "nix2022", "table1d", cfg.scale, results.facts())


@command("nix2022/table1d")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
