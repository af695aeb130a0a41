"""Nix et al. 2022, the search at s = 30 (Section 2.2): what wins on validation, beside the paper's choice.

    python paper/nix2022/search1d.py   # paper/results/SCALE/nix2022/search.json -> paper/artefacts/SCALE/nix2022/search1d.*

Not a table of the paper, which prints only its choices, made on test images (D5). Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

COLUMNS = ("validation", "seen", "unseen", "all")
FIGURE = {"pooling": "fig2", "linear": "fig3"}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "nix2022", ["search"]), reference.of("nix2022").metrics
    notes = read_result(cfg.scale, "nix2022", "search")["notes"]
    table = Table(
        title=f"Nix et al. 2022, MNIST-1D: the search at s = {cfg.search.shift}, {cfg.search.head} head",
        heads=("method", "settings tried", "chosen", "setting"),
        columns=COLUMNS,
        notes=("Values in brackets: the authors' own search, chosen on test images with seen shifts, one seed.",),
        absent="",
    )
    for method in [*cfg.methods, "orbit"]:
        for chosen, prefix in (("on validation", ""), ("by the paper", "paper_")):
            setting = notes[method]["paper" if prefix else "winner"]
            cells = []
            for column in COLUMNS:
                paper = known.get(f"{FIGURE[cfg.search.head]}.{method}.s{cfg.search.shift}_{column}") if prefix else None
                cells.append(Cell(results.metric(f"search.{method}.{prefix}{column}"), paper))
            words = ", ".join(setting) if setting else "not in this scale's grid"
            labels = (style.NAMES.get(method, method), str(notes[method]["points"]), chosen, words)
            table.rows.append((labels, cells))
    save_table(table, "nix2022", "search1d", cfg.scale, results.facts())


@command("nix2022/search1d")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
