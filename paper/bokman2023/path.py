"""Bökman and Kahl 2023, not in the paper: accuracy along the line from a VGG11 to its matched mirror image.

    python paper/bokman2023/path.py  # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023

Line and band: mean and standard deviation over networks.
Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

FORMS = {
    "plain": style.Series("average of the weights", "#D55E00", "o", "-"),
    "repaired": style.Series("with REPAIR", "#0072B2", "s", (0, (3, 1.6))),
}


def main(cfg: config.Settings) -> None:
    results, alphas = measured(cfg.scale, "bokman2023", ["vgg_path"]), cfg.vgg.merging.alphas
    figure, drawn = style.blank(3.0), {}
    axes = figure.subplots()
    for form, series in FORMS.items():
        metrics = [results.metric(f"midpoint.cnn.accuracy_{form}_a{100 * alpha:03.0f}") for alpha in alphas]
        drawn[form] = draw.curve(axes, alphas, metrics, series)
    axes.set(xlabel="α: from the network (0) to its mirror image, channels matched (1)", ylabel="test accuracy")
    axes.legend(loc="lower left")
    axes.set_title("CNN")
    save_figure(figure, "bokman2023", "path", cfg.scale, drawn, results.facts())


@command("bokman2023/path")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
