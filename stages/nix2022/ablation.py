"""Nix et al. 2022, Table 6: Orbit's first stage without some of its terms, on MNIST from CNN to MLP.

dvc repro stages/nix2022/images/dvc.yaml:ablation
python stages/nix2022/ablation.py

A row ``rGEIC`` says which of the terms group, equiv, inv and ce are on. The second stage is always the whole one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import ImageSchedule, Nix2022
from learned_symmetry.fit import Fitted, Run
from learned_symmetry.image_orbit import TERMS, orbit_run, taught_by_orbit
from learned_symmetry.image_transfer import PAPER, Experiment

SETTING = "cnn_mlp"
# Without the first three there is nothing that the kernels learn from
ROWS = {
    "r" + "".join(map(str, on)): tuple(term for term, used in zip(TERMS, on, strict=True) if used)
    for on in product((1, 0), repeat=len(TERMS))
    if any(on[:3])
}


def main(cfg: Nix2022) -> None:
    experiment = Experiment(cfg, SETTING)
    out = record.Stage(cfg, PAPER, "ablation", source=experiment.source, fingerprint=stage.fingerprint(cfg))
    block = experiment.schedules.ablation
    grid = [(row, seed) for row in ROWS for seed in range(block.seeds)]
    named = [f"{row}/seed{seed}" for row, seed in grid]
    learning = [orbit_run(experiment, seed, block.orbit, **without(experiment, ROWS[row])) for row, seed in grid]
    models = fit_named(experiment, learning, named, block.orbit, out.scratch / "models", "ablation: orbit models")
    taught = [
        taught_by_orbit(experiment, seed, model.state, block.student)
        for (_, seed), model in zip(grid, models, strict=True)
    ]
    fitted = fit_named(experiment, taught, named, block.student, out.scratch / "students", "ablation: students")
    for row in ROWS:
        experiment.keep(out, row, [done for done, cell in zip(fitted, grid, strict=True) if cell[0] == row], "table6")
    out.write()


def without(experiment: Experiment, terms: tuple[str, ...]) -> dict[str, Any]:
    """The objective's changes that leave `terms`: what is off weighs 0 on a GPU, where all rows become one stack.

    On a CPU, which trains them one by one, it is not even computed.
    """
    if experiment.device.type == "cuda":
        return {term: 0.0 for term in TERMS if term not in terms}
    return {"terms": terms}


def fit_named(
    experiment: Experiment, runs: list[Run], names: list[str], schedule: ImageSchedule, scratch: Path, label: str
) -> list[Fitted]:
    renamed = [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    return experiment.fit(renamed, schedule, scratch, label)


if __name__ == "__main__":
    stage.run(main, PAPER)
