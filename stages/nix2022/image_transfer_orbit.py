"""Nix et al. 2022, Tables 1 and 2, Orbit stage 2: students of one setting that learn to commute with the orbit models.

dvc repro stages/nix2022/images/dvc.yaml:image_transfer_orbit@cnn_mlp
python stages/nix2022/image_transfer_orbit.py cnn_mlp
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.image_orbit import learned, taught_by_orbit
from learned_symmetry.image_transfer import PAPER, Experiment


def main(cfg: Nix2022, setting: str) -> None:
    experiment = Experiment(cfg, setting)
    name, schedule = f"image_transfer_{setting}_orbit", experiment.schedules.of("orbit")
    out = record.Stage(cfg, PAPER, name, source=experiment.source, fingerprint=stage.fingerprint(cfg))
    runs = [taught_by_orbit(experiment, seed, learned(experiment, seed), schedule) for seed in range(cfg.images.seeds)]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{setting}, orbit")
    experiment.keep(out, "orbit", fitted, method="orbit")
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "setting")
