"""Nix et al. 2022, Tables 1 and 2, Figure 5, Orbit stage 1: what moves a teacher's layers as its input moves.

dvc repro stages/nix2022/images/dvc.yaml:image_orbit@cnn_mlp
python stages/nix2022/image_orbit.py cnn_mlp
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.fit import Fitted
from learned_symmetry.image_orbit import orbit_run, pictured
from learned_symmetry.image_transfer import PAPER, Experiment
from learned_symmetry.models.orbit_images import onehot


def main(cfg: Nix2022, setting: str) -> None:
    experiment = Experiment(cfg, setting)
    name, schedule = f"image_orbit_{setting}", experiment.schedules.orbit
    out = record.Stage(cfg, PAPER, name, source=experiment.source, fingerprint=stage.fingerprint(cfg))
    runs = [orbit_run(experiment, seed, schedule) for seed in range(cfg.images.seeds)]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{setting} orbit models")
    if experiment.setting.orbit == "kernels":
        keep_kernels(experiment, out, fitted)
    else:
        out.runs += [done.record({}, setting=setting) for done in fitted]
    out.write()


def keep_kernels(experiment: Experiment, out: record.Stage, fitted: list[Fitted]) -> None:
    """Keep the runs, how many kernels are shifts, and pictures of the first seed's."""
    for done in fitted:
        kernels = done.state["kernels"]
        metrics = {
            "onehot": onehot(kernels).sum().item(),  # kernels that are mostly one shift
            "distinct": kernels.flatten(1).abs().argmax(1).unique().numel(),  # shifts that the kernels cover
        }
        out.runs.append(done.record(metrics, setting=experiment.name))
    figure = {"cnn_mlp": "fig5.kernels"}.get(experiment.name, f"orbit.{experiment.name}")
    for metric in ("onehot", "distinct"):
        out.metric(f"{figure}.{metric}", [None if run.dropped else run.metrics[metric] for run in out.runs])
    if not fitted[0].dropped:
        out.notes = pictured(experiment, fitted[0].state["kernels"])


if __name__ == "__main__":
    stage.run(main, PAPER, "setting")
