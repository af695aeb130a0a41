"""Cross-examination, the figure: is what is invariant genuinely so? SI over the relative invariance error, by network.

    python paper/cross/genuine.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["examine"])
    figure = style.blank(3.6)
    axes = figure.subplots()
    drawn = {}
    for name, examined in style.EXAMINED.items():
        error, si = (results.metric(f"c4.{name}.{column}") for column in ("relative", "si"))
        if error["mean"] is None or si["mean"] is None:
            continue
        look = {
            "color": examined.colour,
            "marker": examined.marker,
            "linestyle": "",
            "markerfacecolor": "none",
        }  # all is seen where marks meet
        axes.errorbar(
            error["mean"], si["mean"], si["std"] or 0, error["std"] or 0, markersize=6, capsize=2, elinewidth=0.7,
            label=f"{examined.paper}: {examined.label}", **look,
        )  # fmt: skip
        drawn[name] = {"relative": error["values"], "si": si["values"]}
    axes.set_xlabel("relative invariance error (Bökman and Kahl)")
    axes.set_ylabel("saliency similarity SI (Moskalev et al.)")
    axes.set_ylim(0, 1.05)
    figure.legend(loc="outside right center")
    save_figure(figure, "cross", "genuine", cfg.scale, drawn, results.facts())


@command("cross/genuine")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
