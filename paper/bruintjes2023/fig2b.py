"""Bruintjes et al. 2023, Figure 2b: invariance by cosine and by correlation beside the mean activation, over depth.

    python paper/bruintjes2023/fig2b.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

After each residual block of a ResNet-44 on CIFAR-10; invariance to a turn by 90 degrees. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, reference, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured

NAMES = {"cosine": "cosine", "pearson": "Pearson"}


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "bruintjes2023", ["similarity"]), reference.of("bruintjes2023").metrics
    blocks = range(1, 3 * cfg.cifar10.resnet.n + 1)
    figure = style.blank(2.9)
    left = figure.subplots()
    right = left.twinx()
    right.spines.right.set_visible(True)
    right.grid(False)
    drawn = {}
    for name, series in style.SIMILARITIES.items():
        axes = right if name == "activation" else left
        metrics = [results.metric(f"fig2b.{name}.block{block}") for block in blocks]
        drawn[name] = draw.curve(axes, blocks, metrics, series)
    left.set_xlabel("residual block")
    left.set_xticks(blocks)
    left.set_ylabel("invariance to a turn by 90°")
    right.set_ylabel("mean activation")
    found = {name: (results.metric(f"fig2b.r_{name}")["mean"], known[f"fig2b.r_{name}"].mean) for name in NAMES}
    drawn["correlations"] = {name: {"ours": ours, "paper": paper} for name, (ours, paper) in found.items()}
    told = [
        f"{NAMES[n]} {'not run' if ours is None else f'{ours:.2f}'} [{paper}]" for n, (ours, paper) in found.items()
    ]
    left.set_title(
        f"correlation with the mean activation, in brackets the paper's: {', '.join(told)}",
        fontsize=8,
        fontweight="normal",
    )
    handles, labels = (a + b for a, b in zip(*(x.get_legend_handles_labels() for x in (left, right)), strict=True))
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    seeds = {"seeds": str(len(results.metric("fig2b.r_cosine")["values"]))}  # the maps of Figure 2a may have more
    save_figure(figure, "bruintjes2023", "fig2b", cfg.scale, drawn, results.facts() | seeds)


@command("bruintjes2023/fig2b")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
