"""Moskalev et al. 2023, Proposition 3.1: the largest singular value of a linear network along the gradient flow.

    python paper/moskalev2023/prop31.py # reads paper/results/SCALE/moskalev2023, writes artefacts/SCALE/moskalev2023

Not in the paper, which proves it. Lines are of the first seed. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

CASES = {
    "noise": ("one 4 × 4 image of noise, turned", "#0072B2", "-"),
    "noise_many": ("50 of them", "#D55E00", "-"),
    "digit_R4": ("an MNIST digit, turned", "#009E73", (0, (3, 1.6))),
    "digit_T3": ("an MNIST digit, translated", "0.35", (0, (1, 1.2))),
}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "moskalev2023", ["proposition"])
    notes = read_result(cfg.scale, "moskalev2023", "proposition")["notes"]
    figure = style.blank(2.6)
    axes = figure.subplots()
    for name, (label, colour, dash) in CASES.items():
        curve = notes["curves"][name]
        axes.plot(curve["t"], curve["sigma_max"], color=colour, linestyle=dash, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("time t in units of 1 / largest eigenvalue of Σ")
    axes.set_ylabel("σ_max(W(t)) / σ_max(W(0))")
    axes.set_title("gradient flow on the logit error, closed form")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(
        figure, "moskalev2023", "prop31", cfg.scale, notes, results.facts() | {"seeds": str(cfg.proposition.seeds)}
    )


@command("moskalev2023/prop31")
def run() -> None:
    main(config.load("moskalev2023"))


if __name__ == "__main__":
    run()
