"""Nix et al. 2022, Tables 1, 2 and 6: the teachers of a setting, trained on MNIST as it is.

dvc repro stages/nix2022/images/dvc.yaml:image_teacher@cnn_mlp
python stages/nix2022/image_teacher.py cnn_mlp
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.image_transfer import PAPER, Experiment
from learned_symmetry.objective import CrossEntropy


def main(cfg: Nix2022, setting: str) -> None:
    experiment = Experiment(cfg, setting)
    name, schedule = f"image_teacher_{setting}", experiment.schedules.teacher
    out = record.Stage(cfg, PAPER, name, source=experiment.source, fingerprint=stage.fingerprint(cfg))
    runs = [
        experiment.run(experiment.make(experiment.setting.teacher, seed, "teacher"), CrossEntropy(), seed, schedule)
        for seed in range(cfg.images.seeds)
    ]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{setting} teachers")
    experiment.keep(out, "teacher", fitted)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "setting")
