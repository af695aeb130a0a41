"""Nix et al. 2022, MNIST-1D: the convolutional teachers (Supplement A.1, Table 3).

    dvc repro stages/nix2022/dvc.yaml:teacher
    python stages/nix2022/teacher.py

One teacher a seed and shift limit, trained with cross-entropy on seen shifts. Paper: 98.2 to 98.6 % on all shifts.
"""

from __future__ import annotations

from learned_symmetry import models, record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.data import mnist1d
from learned_symmetry.fit import Run
from learned_symmetry.models import mnist1d as networks
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.rng import generator
from learned_symmetry.shift_transfer import PAPER, SETS, Experiment


def main(cfg: Nix2022) -> None:
    out = record.Stage(cfg, PAPER, "teacher", source=mnist1d.SOURCE, fingerprint=stage.fingerprint(cfg))
    experiment, schedule = Experiment(cfg), cfg.schedules.teacher
    runs = [
        Run(
            name=name,
            seed=seed,
            network=models.seeded(networks.Teacher, generator(seed, "teacher")),
            objective=CrossEntropy(),
            train=experiment.signals(shift, seed).part("train"),
            valid=experiment.signals(shift, seed).part("valid"),
            lr=schedule.lr or cfg.teacher.lr,
            weight_decay=cfg.teacher.weight_decay,
        )
        for name, shift, seed in experiment.teacher_grid()
    ]
    fitted = {done.run.name: done for done in experiment.fit(runs, schedule, out.scratch, "teachers")}

    scores = {}  # by shift limit and seed, whether or not several limits share a teacher
    for shift in cfg.shifts:
        for seed in range(cfg.seeds):
            done = fitted[experiment.teacher_name(shift, seed)]
            scores[shift, seed] = {} if done.dropped else experiment.scores(done.network(), shift, seed)
        for name in SETS:
            out.metric(f"fig2.teacher.s{shift}_{name}", [scores[shift, seed].get(name) for seed in range(cfg.seeds)])
    for name, shift, seed in experiment.teacher_grid():
        out.runs.append(fitted[name].record(scores[shift, seed], shift=shift))
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
