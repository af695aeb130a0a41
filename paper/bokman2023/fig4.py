"""Bökman and Kahl 2023, Figure 4: orders of the channels that matching finds, layer by layer.

    python paper/bokman2023/fig4.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Mean counts over networks; pale are channels that are never active, which are matched at random.
Draws; computes nothing.
"""

from __future__ import annotations

from matplotlib.patches import Patch

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

ORDERS = {"order 1: invariant": "#0072B2", "order 2: a pair": "#E69F00", "more: no symmetry": "#D55E00"}
PALE = 0.3  # of what is dead


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bokman2023", ["vgg_merge"])
    counts = read_result(cfg.scale, "bokman2023", "vgg_merge")["notes"]["orders"]
    kinds = list(style.NETS)
    figure, named = style.panels(
        [kinds[:4], kinds[4:]], 1.5, xlabel="convolution", ylabel="channels (% of the layer's)"
    )
    for kind, axes in named.items():
        axes.set_title(style.NETS[kind].label)
        for number, (every, live) in enumerate(zip(counts[kind]["all"], counts[kind]["live"], strict=True), start=1):
            bottom = 0.0
            for colour, all_of_it, alive in zip(ORDERS.values(), every, live, strict=True):
                for part, alpha in ((alive, 1.0), (all_of_it - alive, PALE)):
                    height = 100 * part / sum(every)
                    axes.bar(number, height, 0.8, bottom, color=colour, alpha=alpha, linewidth=0)
                    bottom += height
        axes.set(xticks=range(1, 9), ylim=(0, 100))
    handles = [Patch(color=colour, label=label) for label, colour in ORDERS.items()]
    handles.append(Patch(color="0.35", alpha=PALE, label="pale: never active"))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    drawn = {kind: counts[kind] | {"orders": list(ORDERS)} for kind in kinds}
    save_figure(figure, "bokman2023", "fig4", cfg.scale, drawn, results.facts())


@command("bokman2023/fig4")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
