"""Nix et al. 2022, Figures 2 and 3: students taught by one method, for all heads, shift limits and seeds.

    dvc repro stages/nix2022/dvc.yaml:transfer@kd     # this method and whatever it still needs
    python stages/nix2022/transfer.py kd              # this method alone

The teacher pools over positions; the student is fully connected, with a pooling head (Figure 2) or a linear one
(Figure 3). Accuracy on unseen shifts tells whether the teacher's equivariance arrived. Orbit has its own script.
"""

from __future__ import annotations

from learned_symmetry import stage, transfer
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.errors import UserError
from learned_symmetry.fit import Run
from learned_symmetry.shift_transfer import PAPER, Experiment, teach


def main(cfg: Nix2022, method: str) -> None:
    transfer.method_class(method, "stages/nix2022/transfer.py")
    if method not in cfg.methods:
        raise UserError(
            f"params.yaml has no block {PAPER}.methods.{method}; add one, or see transfer_orbit.py for Orbit"
        )

    def student(experiment: Experiment, name: str, head: str, shift: int, seed: int) -> Run:
        settings = cfg.methods[method].head(head)
        objective = transfer.method(method, settings.model_dump(), f"{PAPER}.methods.{method}")
        lr = cfg.schedules.of(method, head).lr or settings.lr
        return experiment.student_run(name, head, shift, seed, objective, lr, settings.weight_decay)

    teach(cfg, method, student)


if __name__ == "__main__":
    stage.run(main, PAPER, "method")
