"""The experiments of nix2022 on images: which runs become one program, and where their data come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from learned_symmetry import config
from learned_symmetry.fit import Run
from learned_symmetry.image_orbit import orbit_run
from learned_symmetry.image_transfer import SETTINGS, Experiment
from learned_symmetry.models import features
from learned_symmetry.results import write_json
from learned_symmetry.stacking import stacks
from stages.nix2022.ablation import ROWS, without

ROOT = Path(__file__).parents[1]


class Untrained(Experiment):
    """With teachers as they are initialised."""

    def _teacher(self, seed: int) -> torch.nn.Module:
        return self._untrained()


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Untrained:
    monkeypatch.chdir(tmp_path)
    write_json(Path("data/prepared/mnist.json"), {"name": "mnist", "source": "stand-in", "files": {}})
    return Untrained(config.load("nix2022", ROOT / "params.yaml", scale="smoke"), "cnn_mlp")


def programs(experiment: Experiment, runs: list[Run], device: str) -> list[int]:
    """How many runs there are in each stack."""
    recipe = experiment.recipe(len(runs[0].train["y"]), experiment.schedules.orbit)
    return [len(stack) for stack in stacks(runs, recipe, torch.device(device), cores=2)]


def test_the_ablations_orbit_models_are_one_program_on_a_gpu_and_looped_on_a_cpu(experiment: Untrained) -> None:
    def models(device: str) -> list[Run]:
        experiment.device = torch.device(device)
        schedule = experiment.schedules.orbit
        return [
            orbit_run(experiment, seed, schedule, **without(experiment, terms))
            for terms in ROWS.values()
            for seed in (0, 1)
        ]

    assert programs(experiment, models("cuda"), "cuda") == [2 * len(ROWS)]
    looped = models("cpu")
    assert programs(experiment, looped, "cpu") == [1] * len(looped)
    assert {run.objective.terms for run in looped} == set(ROWS.values())


@pytest.mark.parametrize("setting", SETTINGS)
def test_teacher_and_student_have_the_layers_that_are_compared(setting: str, experiment: Untrained) -> None:
    chosen = Untrained(experiment.cfg, setting)
    seen = [
        features(network.eval(), torch.zeros(2, 1, 28, 28), chosen.setting.layers)
        for network in (chosen.architecture, chosen.make(chosen.setting.student, 0, "student"))
    ]
    assert seen[0].keys() == seen[1].keys() == {*chosen.setting.layers, "logits"}


def test_the_provenance_names_what_was_generated(experiment: Untrained) -> None:
    assert experiment.source == "MNIST, stand-in; MNIST-C, generated"
    assert Untrained(experiment.cfg, "gcnn_mlp").source == "MNIST, stand-in"
