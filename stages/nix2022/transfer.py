"""Nix et al. 2022, Figures 2 and 3: students taught by one method, for all heads, shift limits and seeds.

    dvc repro nix2022_transfer@kd              # this method and whatever it still needs
    python stages/nix2022/transfer.py kd       # this method alone; orbit is one of them

The teacher pools over positions; the student is fully connected, with a pooling head (Figure 2) or a linear one
(Figure 3). Unseen shifts tell whether the teacher's equivariance arrived.
"""

from __future__ import annotations

from dataclasses import replace

from learned_symmetry import record, stage, transfer
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.data import mnist1d
from learned_symmetry.fit import Run
from learned_symmetry.shift_transfer import FIGURE, PAPER, SETS, Experiment, record_of
from learned_symmetry.transfer.orbit import Orbit


def main(cfg: Nix2022, method: str) -> None:
    transfer.method_class(method, "stages/nix2022/transfer.py")
    schedule = cfg.schedules.orbit_student if method == "orbit" else cfg.schedules.student
    out = record.Stage(cfg, PAPER, f"transfer_{method}", source=mnist1d.SOURCE, fingerprint=stage.fingerprint(cfg))
    experiment = Experiment(cfg)
    grid = [(head, shift, seed) for head in cfg.heads for shift in cfg.shifts for seed in range(cfg.seeds)]
    runs = [student(experiment, method, *cell, lr=schedule.lr) for cell in grid]
    fitted = experiment.fit(runs, schedule, out.scratch, method)

    for done, (head, shift, seed) in zip(fitted, grid, strict=True):
        scores = {} if done.dropped else experiment.scores(done.network(), shift, seed)
        out.runs.append(record_of(done, scores, method=method, head=head, shift=shift))
    values = dict(zip(grid, out.runs, strict=True))
    for head in cfg.heads:
        for shift in cfg.shifts:
            for name in SETS:
                kept = [values[head, shift, seed].metrics.get(name) for seed in range(cfg.seeds)]
                out.metric(f"{FIGURE[head]}.{method}.s{shift}_{name}", kept)
    out.write()


def student(experiment: Experiment, method: str, head: str, shift: int, seed: int, lr: float | None) -> Run:
    """One student to train; lr stands in for the method's own where it is given."""
    cfg, name = experiment.cfg, f"{head}/s{shift}/seed{seed}"
    if method != "orbit":
        settings = cfg.methods[method].head(head)
        objective = transfer.method(method, settings, f"{PAPER}.methods.{method}")
        return experiment.student_run(name, head, shift, seed, objective, settings, lr or settings.lr)
    objective = Orbit(getattr(cfg.orbit, head).gamma, cfg.orbit.layout)
    model = record.load_state(cfg.scale, PAPER, "orbit", f"{head}/{experiment.teacher_name(shift, seed)}")
    run = experiment.student_run(name, head, shift, seed, objective, cfg.orbit, lr or cfg.orbit.lr)
    return replace(run, constants=experiment.representation(model))


if __name__ == "__main__":
    stage.run(main, PAPER, "method")
