"""Bruintjes et al. 2023, Figure 2a: what an offset added to one of two random maps does to cosine and correlation.

    python paper/bruintjes2023/fig2a.py # reads paper/results/SCALE/bruintjes2023, writes paper/artefacts/SCALE/...

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import style
from learned_symmetry.report.artefact import save_figure
from learned_symmetry.report.measured import measured
from learned_symmetry.results import read_result

MEASURES = {"cosine": "cosine", "Pearson": "pearson"}


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "bruintjes2023", ["similarity"])
    shown = read_result(cfg.scale, "bruintjes2023", "similarity")["notes"]
    titles, pairs = ("a", "b", f"b + {cfg.maps.offset:g}"), len(shown["maps"][0])
    figure, panels = style.pictures(3 * pairs)
    for pair in range(pairs):
        for which, (panel, title) in enumerate(zip(panels[3 * pair :], titles, strict=False)):
            panel.imshow(shown["maps"][which][pair], cmap="gray", vmin=0, vmax=1 + cfg.maps.offset)
            panel.set(xticks=[], yticks=[])
            panel.grid(False)
            panel.set_title(title)
            if which:
                told = (f"{name} {shown[key][pair][which - 1]:z.2f}" for name, key in MEASURES.items())
                panel.set_xlabel("with a:\n" + "\n".join(told))
    changes = {f"d_{key}": results.metric(f"fig2a.d_{key}") for key in MEASURES.values()}
    save_figure(figure, "bruintjes2023", "fig2a", cfg.scale, shown | changes, results.facts())


@command("bruintjes2023/fig2a")
def run() -> None:
    main(config.load("bruintjes2023"))


if __name__ == "__main__":
    run()
