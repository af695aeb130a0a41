"""Nix et al. 2022, Tables 1 and 2: students of one setting taught by one method.

dvc repro stages/nix2022/images/dvc.yaml:image_transfer_cnn_mlp@kd
python stages/nix2022/image_transfer.py cnn_mlp kd

METHOD is a name in `nix2022.methods` with settings for images, or `augment`: no teacher, but trained on the translated
images themselves, the paper's upper bound.
"""

from __future__ import annotations

from learned_symmetry import record, stage, transfer
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.errors import UserError
from learned_symmetry.image_transfer import PAPER, Experiment
from learned_symmetry.objective import Transfer

ROWS = {"none": "student"}  # names of rows in the paper's tables, where they are not the method's


def main(cfg: Nix2022, setting: str, method: str) -> None:
    experiment = Experiment(cfg, setting)
    name, schedule = f"image_transfer_{setting}_{method}", experiment.schedules.of(method)
    out = record.Stage(cfg, PAPER, name, source=experiment.source, fingerprint=stage.fingerprint(cfg))
    objective, translated = objective_of(cfg, experiment, method), method == "augment"
    runs = [
        experiment.student_run(objective, seed, schedule, translated=translated) for seed in range(cfg.images.seeds)
    ]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{setting}, {method}")
    experiment.keep(out, ROWS.get(method, method), fitted, method=method)
    out.write()


def objective_of(cfg: Nix2022, experiment: Experiment, method: str) -> Transfer:
    """The method with its settings for images. Raises `UserError` where it has none."""
    name = "none" if method == "augment" else method
    transfer.method_class(name, "nix2022.methods")
    settings = cfg.methods[name].images if name in cfg.methods else None
    if settings is None:
        raise UserError(f"params.yaml: nix2022.methods.{name}.images is missing: {name} has no settings for images")
    return transfer.method(name, settings, f"nix2022.methods.{name}.images", **experiment.compared(name))


if __name__ == "__main__":
    stage.run(main, PAPER, "setting", "method")
