"""Nix et al. 2022, Table 1 and Figure 5, Orbit stage 1: kernels that move a teacher's layers as its input moves.

dvc repro stages/nix2022/dvc.yaml:image_orbit@cnn_mlp
python stages/nix2022/image_orbit.py cnn_mlp
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.image_orbit import orbit_run, pictured
from learned_symmetry.image_transfer import PAPER, Experiment
from learned_symmetry.models.orbit_images import onehot


def main(cfg: Nix2022, setting: str) -> None:
    experiment = Experiment(cfg, setting)
    name, schedule = f"image_orbit_{setting}", experiment.schedules.orbit
    out = record.Stage(cfg, PAPER, name, source=experiment.source, fingerprint=stage.fingerprint(cfg))
    runs = [orbit_run(experiment, seed, schedule) for seed in range(cfg.images.seeds)]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{setting} orbit models")
    for done in fitted:
        kernels = done.state["kernels"]
        metrics = {
            "onehot": onehot(kernels).sum().item(),  # kernels that are mostly one shift
            "distinct": kernels.flatten(1).abs().argmax(1).unique().numel(),  # shifts that the kernels cover
        }
        out.runs.append(done.record(metrics, setting=setting))
    figure = {"cnn_mlp": "fig5.kernels"}.get(setting, f"orbit.{setting}")
    for metric in ("onehot", "distinct"):
        out.metric(f"{figure}.{metric}", [None if run.dropped else run.metrics[metric] for run in out.runs])
    if not fitted[0].dropped:
        out.notes = pictured(experiment, fitted[0].state["kernels"])
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "setting")
