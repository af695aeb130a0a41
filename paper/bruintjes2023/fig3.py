"""Bruintjes et al. 2023, Figure 3: two hand-crafted networks' filters, and what the measure finds in each layer.

    python paper/bruintjes2023/fig3.py  # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

The paper prints no values: the one network is to be measured invariant, the other equivariant and not invariant. Each
filter is shown on its own scale. Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

NETWORKS = {"inv_net": "(a) isotropic filters", "eqv_net": "(b) one filter in four turns"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["controlled"])
    filters = read_result(cfg.scale, "bruintjes2023", "controlled")["notes"]
    numbers = range(1, cfg.controlled.layers + 1)
    figure, panels = style.pictures(4)
    panels[3].sharey(panels[1])
    drawn = {}
    for (name, title), left, right in zip(NETWORKS.items(), panels[::2], panels[1::2], strict=True):
        shown = [[[value / max(map(max, bank)) for value in line] for line in bank] for bank in filters[name]]
        draw.mosaic(left, shown, title)
        drawn[name] = draw.scores(right, results, f"ctrl.{name}", [f"layer{k}" for k in numbers], numbers)
        right.set_xlabel("layer")
    panels[1].set_ylabel("mean score over 3 turns")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    save_figure(figure, "bruintjes2023", "fig3", cfg.scale, {"filters": filters, "scores": drawn}, results.facts())


@command("bruintjes2023/fig3")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
