"""Nix et al. 2022, Table 6: Orbit's first stage without some of its terms.

    python paper/nix2022/table6.py # reads paper/results/SCALE/nix2022, writes artefacts/SCALE/nix2022/table6.*

Draws; computes nothing.
"""

from __future__ import annotations

from itertools import product

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

COLUMNS = ("centered", "translated")
TERMS = ("group", "equiv", "inv", "ce")


def main(cfg: config.Settings) -> None:
    results, known = measured(cfg.scale, "nix2022", ["ablation"]), reference.of("nix2022").metrics
    weights = cfg.images.orbit.weights
    table = Table(
        title="Nix et al. 2022, Table 6: test accuracy of Orbit's student, CNN → MLP, by the terms of the first stage",
        heads=TERMS,
        columns=COLUMNS,
        notes=("Weights of the terms that are on: " + ", ".join(f"{t} {getattr(weights, t):g}" for t in TERMS) + ".",),
    )
    for on in product((1, 0), repeat=len(TERMS)):
        if any(on[:3]):
            names = [f"table6.r{''.join(map(str, on))}.{column}" for column in COLUMNS]
            cells = [Cell(results.metric(name), known.get(name)) for name in names]
            table.rows.append((tuple("on" if used else "–" for used in on), cells))
    save_table(table, "nix2022", "table6", cfg.scale, results.facts())


@command("nix2022/table6")
def run() -> None:
    main(config.load("nix2022"))


if __name__ == "__main__":
    run()
