"""Nix et al. 2022, the search at s = 30 (Section 2.2): what wins on validation, beside the paper's choice.

    python paper/nix2022/search1d.py    # reads paper/results/SCALE/nix2022/search.json, writes search1d.* beside fig2

Not a table of the paper, which prints only its choices, made on test images (D5). Draws; computes nothing.
"""

from __future__ import annotations

from typing import Any

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result, summary

COLUMNS = ("validation", "seen", "unseen", "all")
FIGURE = {"pooling": "fig2", "linear": "fig3"}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "nix2022", ["search"]), reference.of("nix2022").metrics
    result = read_result(cfg.scale, "nix2022", "search")
    table = Table(
        title=f"Nix et al. 2022, MNIST-1D: the search at s = {cfg.search.shift}, {cfg.search.head} head",
        heads=("method", "settings tried", "chosen", "setting"),
        columns=COLUMNS,
        notes=("Values in brackets: the authors' own search, chosen on test images with seen shifts, one seed.",),
        absent="",
    )
    for method in cfg.search.methods:
        label = style.NAMES.get(method, method), str(result["notes"][method]["points"])
        winner = [results.metric(f"search.{method}.{column}") for column in COLUMNS]
        setting = result["notes"][method]["winner"] or "every run was dropped"
        table.rows.append(((*label, "on validation", words(setting)), [Cell(metric, None) for metric in winner]))
        for setting, runs in the_papers(cfg, method, result["runs"]).items():
            cells = []
            for column in COLUMNS:
                values = [run["metrics"].get("best_accuracy" if column == "validation" else column) for run in runs]
                recovered = known.get(f"{FIGURE[cfg.search.head]}.{method}.s{cfg.search.shift}_{column}")
                cells.append(Cell(summary(values), recovered))
            table.rows.append(((*label, "by the paper", words(setting)), cells))
    save_table(table, "nix2022", "search1d", cfg.scale, results.facts())


def the_papers(cfg: config.Settings, method: str, runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs with the settings of params.yaml, by setting; several, because the learning rate is left open (D7)."""
    if method not in (*cfg.methods, "orbit"):
        return {}
    if method == "orbit":
        head = getattr(cfg.orbit, cfg.search.head)
        own = {**head.weights.model_dump(), "gamma": head.gamma}
    else:
        own = cfg.methods[method].head(cfg.search.head).model_dump()
    chosen: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        params = run["params"]
        if params["method"] == method and all(
            params[key] == own[key] for key in own.keys() - {"lr", "linear", "images"}
        ):
            chosen.setdefault(params["point"], []).append(run)
    return chosen


def words(point: str) -> str:
    return ", ".join(point.split("/")[1:])


@command("nix2022/search1d")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
