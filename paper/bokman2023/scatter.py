"""Bökman and Kahl 2023, not in the paper: every network's invariance error against its GCNN barrier.

    python paper/bokman2023/scatter.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

AXES = ("invariance_error", "gcnn_barrier")
LINEAR = 1e-3  # of a barrier, below which its axis is linear


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bokman2023", ["vgg_merge"]), reference.of("bokman2023").metrics
    figure, drawn = style.blank(3.6), {}
    axes = figure.subplots()
    for kind, series in style.NETS.items():
        names = [f"table2.{kind}.{name}" for name in AXES]
        x, y = ([v for v in results.metric(name)["values"] if v is not None] for name in names)
        axes.plot(x, y, series.marker, color=series.colour, markersize=5, alpha=0.8, label=series.label)
        paper = [known[name].mean for name in names]
        look = {"markerfacecolor": "none", "markeredgecolor": series.colour, "markersize": 8}
        axes.plot(*([value] for value in paper), series.marker, **look)
        drawn[kind] = {"invariance_error": x, "gcnn_barrier": y, "paper": paper}
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.margins(0.05, 0.08)
    axes.set(xlabel="invariance error", ylabel="GCNN barrier")
    axes.axhline(0, color=style.GREY, linewidth=0.6)
    figure.legend(loc="outside right upper", title="filled: ours, a network each\nopen: the paper's means")
    save_figure(figure, "bokman2023", "scatter", cfg.scale, drawn, results.facts())


@command("bokman2023/scatter")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
