"""Cross-examination, the overview: every network by the measures that compare all papers, a row a network.

    python paper/cross/profile.py # reads paper/results/SCALE/cross, writes paper/artefacts/SCALE/cross

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.examined import GROUPS, LOOKS, NETWORKS, PAPERS, legend
from learned_symmetry.report.measured import measured

PANELS = {
    "relative": "relative error",
    "si": "SI",
    "inv": "invariance,\nlayerwise",
    "eqv": "equivariance,\nlayerwise",
    "barrier": "GCNN barrier",
}
ROW = 0.137  # inches


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "cross", ["turns", "shifts", "flips"])
    rows = [(group, name, network) for group, some in NETWORKS.items() for name, network in some.items()]
    figure = style.blank(ROW * (len(rows) + len(GROUPS)) + 1.1)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    places, labels, drawn = [], [], {}
    for place, (group, name, network) in enumerate(rows):
        y = place + list(GROUPS).index(group)  # a free row between groups
        places.append(y)
        labels.append(f"{PAPERS[network.paper]}: {network.label}")
        colour, mark = LOOKS[network.paper]
        for panel, measure in zip(panels, PANELS, strict=True):
            metric = results.metrics.get(f"{group}.{name}.{measure}")
            if metric is None or metric["mean"] is None:
                continue
            values = [value for value in metric["values"] if value is not None]
            panel.plot([min(values), max(values)], [y, y], color=colour, linewidth=0.9)
            panel.plot(metric["mean"], y, color=colour, marker=mark, markersize=3.4)
            drawn.setdefault(f"{group}.{name}", {})[measure] = metric["values"]
    for panel, title in zip(panels, PANELS.values(), strict=True):
        panel.set_title(title, fontsize=7, loc="center")
        panel.tick_params(axis="y", length=0)
        panel.margins(x=0.06)
    for panel in panels[1:4]:  # correlations and cosines
        panel.set(xlim=(-0.08, 1.08), xticks=(0, 0.5, 1))
    panels[0].set_yticks(places, labels, fontsize=5.6)
    panels[0].set_ylim(max(places) + 0.8, -1.2)
    for group, title in GROUPS.items():
        first = next(y for y, row in zip(places, rows, strict=True) if row[0] == group)
        for panel in panels:
            panel.axhline(first - 1, color="0.75", linewidth=0.6)
        panels[0].text(0.02, first - 1, title, transform=panels[0].get_yaxis_transform(), fontsize=6,
                       fontweight="bold", va="center", backgroundcolor="white")  # fmt: skip
    legend(figure, GROUPS)
    save_figure(figure, "cross", "profile", cfg.scale, drawn, results.facts())


@command("cross/profile")
def run() -> None:
    main(config.load("cross"))


if __name__ == "__main__":
    run()
