"""Moskalev et al. 2023, Figure 4: invariance and accuracy while MNIST drifts to Fashion-MNIST.

    python paper/moskalev2023/fig4.py   # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Line and band: mean and standard deviation over seeds. The paper prints no numbers. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

ROWS = {"di": "DI (nats)", "ratio": "accuracy ratio"}
GROUPS = {"R4": "quarter turns (R4)", "T3": "cyclic translations (T3)"}


def main(cfg: config.Settings) -> None:
    results, betas, drawn = measured(cfg.scale, "moskalev2023", ["drift"]), cfg.drift.betas, {}
    figure = style.blank(4.4)
    cells = figure.subplots(len(ROWS), len(GROUPS), sharex=True, sharey="row")
    for (row, label), line in zip(ROWS.items(), cells, strict=True):
        for (group, title), axes in zip(GROUPS.items(), line, strict=True):
            for kind, series in style.KINDS.items():
                metrics = [results.metric(f"drift.{group}.{kind}.{row}_b{100 * beta:03.0f}") for beta in betas]
                drawn[f"{group}.{kind}.{row}"] = draw.curve(axes, betas, metrics, series)
            axes.set_ylim(bottom=0)
            if row == "di":
                axes.set_title(title)
            else:
                axes.set_xlabel("drift β, MNIST (0) to Fashion-MNIST (1)")
        line[0].set_ylabel(label)
    figure.legend(*cells[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    save_figure(figure, "moskalev2023", "fig4", cfg.scale, drawn, results.facts())


@command("moskalev2023/fig4")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
