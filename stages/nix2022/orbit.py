"""Nix et al. 2022, MNIST-1D, Orbit stage 1: learn from the teacher how the group acts on its layers (Section 5).

    dvc repro stages/nix2022/dvc.yaml:orbit
    python stages/nix2022/orbit.py

One orbit model a teacher and head: the two heads' students use models learned with different weights (D12).
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.data import mnist1d
from learned_symmetry.shift_orbit import orbit_run
from learned_symmetry.shift_transfer import PAPER, Experiment


def main(cfg: Nix2022) -> None:
    out = record.Stage(cfg, PAPER, "orbit", source=mnist1d.SOURCE, fingerprint=stage.fingerprint(cfg))
    experiment, schedule = Experiment(cfg), cfg.schedules.orbit
    lr = schedule.lr or cfg.orbit.lr
    grid = [(head, *teacher) for head in cfg.heads for teacher in experiment.teacher_grid()]
    runs = [
        orbit_run(experiment, f"{head}/{name}", shift, seed, getattr(cfg.orbit, head).weights, lr)
        for head, name, shift, seed in grid
    ]
    fitted = experiment.fit(runs, schedule, out.scratch, "orbit models")
    for done, (head, _, shift, _) in zip(fitted, grid, strict=True):
        kernels = done.state["kernels"]
        one_shift = kernels.square().amax(1) > kernels.square().sum(1) / 2
        metrics = {
            "onehot": one_shift.sum().item(),  # kernels that are mostly one shift
            "distinct": kernels.abs().argmax(1).unique().numel(),  # shifts that the kernels cover
        }
        out.runs.append(done.record(metrics, head=head, shift=shift))
    for head in cfg.heads:
        for metric in ("onehot", "distinct", "best_loss"):
            kept = [run for run in out.runs if run.params["head"] == head]
            out.metric(f"orbit.{head}.{metric}", [None if run.dropped else run.metrics[metric] for run in kept])
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
