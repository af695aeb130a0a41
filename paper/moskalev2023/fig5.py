"""Moskalev et al. 2023, Figure 5: how sensitive networks are to their input, by the form of the regulariser.

    python paper/moskalev2023/fig5.py   # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Bars: mean over seeds; dots: seeds. The paper prints no numbers. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

KINDS = {"DA": "DA", "IR_LI": "IR, LI", "IR_DI": "IR, DI", "IR_NLI": "IR, NLI"}
GROUPS = {"R4": "quarter turns (R4)", "T3": "cyclic translations (T3)"}
ROWS = {"jac": "largest singular value\nof the Jacobian", "acc": "accuracy (%)", "si": "SI"}


def main(cfg: config.Settings) -> None:
    results, drawn = measured(cfg.scale, "moskalev2023", ["measure"]), {}
    figure = style.blank(5.4)
    cells = figure.subplots(len(ROWS), len(GROUPS), sharex=True, sharey="row")
    for (row, label), line in zip(ROWS.items(), cells, strict=True):
        for (group, title), axes in zip(GROUPS.items(), line, strict=True):
            for place, kind in enumerate(KINDS):
                prefix = row if kind == "DA" or row == "jac" else f"{row}reg"
                metric = drawn[f"{row}.{group}.{kind}"] = results.metric(f"{prefix}.{group}.{kind}")
                if metric["mean"] is not None:
                    colour = style.KINDS["DA" if kind == "DA" else "IR"].colour
                    axes.bar(place, metric["mean"], 0.6, color=colour, alpha=0.35 if "_" in kind else 0.5)
                    axes.text(place, metric["mean"], f"{metric['mean']:.3g}", ha="center", va="bottom", fontsize=6.5)
                    kept = [value for value in metric["values"] if value is not None]
                    axes.plot([place + 0.2] * len(kept), kept, ".", color=colour, markersize=4, markeredgewidth=0)
            axes.set_xticks(range(len(KINDS)), KINDS.values())
            axes.grid(axis="x", visible=False)
            if row == "jac":
                axes.set_title(title)
        line[0].set_ylabel(label)
    save_figure(figure, "moskalev2023", "fig5", cfg.scale, drawn, results.facts())


@command("moskalev2023/fig5")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
