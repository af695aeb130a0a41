"""Nix et al. 2022, Figures 2 and 3, Orbit stage 2: students that learn to commute with the learned orbit models.

dvc repro stages/nix2022/dvc.yaml:transfer_orbit
python stages/nix2022/transfer_orbit.py
"""

from __future__ import annotations

from dataclasses import replace

from learned_symmetry import stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.fit import Run
from learned_symmetry.shift_orbit import learned, representation
from learned_symmetry.shift_transfer import PAPER, Experiment, teach
from learned_symmetry.transfer.orbit import Orbit


def main(cfg: Nix2022) -> None:
    def student(experiment: Experiment, name: str, head: str, shift: int, seed: int) -> Run:
        objective = Orbit(getattr(cfg.orbit, head).gamma, cfg.orbit.layout)
        model = learned(experiment, f"{head}/{experiment.teacher_name(shift, seed)}")
        lr = cfg.schedules.of("orbit", head).lr or cfg.orbit.lr
        run = experiment.student_run(name, head, shift, seed, objective, lr, cfg.orbit.weight_decay)
        return replace(run, constants=representation(experiment, model))

    teach(cfg, "orbit", student)


if __name__ == "__main__":
    stage.run(main, PAPER)
