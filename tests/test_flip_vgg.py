"""What the stages of Bökman and Kahl 2023 on VGG11s share: kinds, recipes, dropped runs, pairs, paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from learned_symmetry import config
from learned_symmetry.data import cifar10
from learned_symmetry.data.augment import Crops, Flips
from learned_symmetry.errors import UserError
from learned_symmetry.flip_vgg import KINDS, LOSSES, Experiment, trained_by
from learned_symmetry.flip_vgg_merge import Merging
from learned_symmetry.invariance_loss import FlipInvariance
from learned_symmetry.merge.permute import flipped
from learned_symmetry.models import parameter_count
from learned_symmetry.models.vgg import plain
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.plateau import Progress
from learned_symmetry.runs import Fitted
from stages.bokman2023 import vgg_train
from stages.bokman2023.vgg_pairs import coupled
from stages.bokman2023.vgg_path import highest


@pytest.fixture
def cfg(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scale smoke, on random images."""

    def load(split: str, _cfg: Any, limit: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        stream = torch.Generator().manual_seed(len(split))
        images = torch.randint(256, (limit or 40, 3, 32, 32), generator=stream, dtype=torch.uint8)
        return images, torch.arange(len(images)) % 10

    monkeypatch.setattr("learned_symmetry.data.cifar10.load", load)
    monkeypatch.setattr("learned_symmetry.data.cifar10.source", lambda _cfg: type("Source", (), {"kind": "noise"}))
    return config.load("bokman2023", Path(__file__).parents[1] / "params.yaml", "smoke")


def test_every_kind_is_trained_by_one_stage() -> None:
    assert sorted(kind for kinds in LOSSES.values() for kind in kinds) == sorted(KINDS)
    assert trained_by("pgcnn_lateinv") == "vgg_train_invariance"
    assert trained_by("cnn_noaug") == "vgg_train_plain"


def test_a_kind_says_how_a_network_is_built_and_trained(cfg: Any) -> None:
    runs = {run.name: run for run in Experiment(cfg).runs(KINDS)}
    assert len(runs) == len(KINDS) * cfg.vgg.training.seeds
    steps = cfg.vgg.training.epochs * 4  # 100 images in batches of 25
    assert runs["cnn/seed0"].objective == CrossEntropy()
    assert runs["cnn_inv/seed1"].objective == FlipInvariance(1.0, 0)
    assert runs["pgcnn_lateinv/seed0"].objective == FlipInvariance(1.0, round(0.2 * steps))
    kinds = [type(part) for part in runs["cnn/seed0"].augment.augmentations]
    assert kinds == [Flips, Crops]
    assert [type(part) for part in runs["cnn_noaug/seed0"].augment.augmentations] == [Crops]
    assert parameter_count(runs["gcnn/seed0"].network) < parameter_count(runs["pgcnn/seed0"].network)
    same, other = runs["cnn_inv/seed0"].network.state_dict(), runs["cnn/seed1"].network.state_dict()
    for name, tensor in runs["cnn/seed0"].network.state_dict().items():
        assert torch.equal(tensor, same[name]), "networks of one seed start from the same weights"
        assert not torch.equal(tensor, other[name])


def test_initial_kernels_are_scaled_and_nothing_else(cfg: Any) -> None:
    block = cfg.vgg.training
    plain_start = cfg.model_copy(
        update={"vgg": cfg.vgg.model_copy(update={"training": block.model_copy(update={"init_gain": 1.0})})}
    )
    scaled, start = (Experiment(each).network("cnn", 0).state_dict() for each in (cfg, plain_start))
    for name, tensor in start.items():
        gain = block.init_gain if name.endswith(".0.weight") else 1.0
        torch.testing.assert_close(scaled[name], gain * tensor)


@pytest.mark.parametrize("size", [16, 32])
def test_images_are_made_smaller_by_averaging_squares(cfg: Any, size: int) -> None:
    block = cfg.vgg.training.model_copy(update={"image_size": size})
    experiment = Experiment(cfg.model_copy(update={"vgg": cfg.vgg.model_copy(update={"training": block})}))
    whole, labels = cifar10.load("train", cfg, 6)
    x, y = experiment.images("train", 6)
    assert (x.shape, x.dtype) == ((6, 3, size, size), torch.uint8)
    assert torch.equal(y, labels)
    side = 32 // size
    corner = whole[2, 1, 3 * side : 4 * side, 5 * side : 6 * side].float().mean()
    assert abs(x[2, 1, 3, 5].item() - corner) <= 0.5
    assert size < 32 or torch.equal(x, whole)
    assert experiment.runs(["cnn"])[0].train["x"].shape[-1] == experiment.runs(["cnn"])[0].valid["x"].shape[-1] == size


def test_a_run_near_chance_is_dropped_with_its_reason(cfg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    block = cfg.vgg.training.model_copy(update={"degenerate_accuracy": 0.15})
    experiment = Experiment(cfg.model_copy(update={"vgg": cfg.vgg.model_copy(update={"training": block})}))
    run = experiment.runs(["cnn"])[0]
    done = Fitted(run, run.network.state_dict(), Progress(lr=0.1, ended="steps", best=0.1), 8, {}, (0.0, 1.0))
    monkeypatch.setattr(experiment, "accuracy", lambda _: 0.1)
    row = vgg_train.kept(experiment, done)
    assert row.dropped == "degenerate: test accuracy 0.100"
    monkeypatch.setattr(experiment, "accuracy", lambda _: 0.16)
    assert vgg_train.kept(experiment, done).dropped is None
    crashed = replace(done, progress=Progress(lr=0.1, ended="the loss was not finite at step 4"))
    assert vgg_train.kept(experiment, crashed).dropped == "the loss was not finite at step 4"


def test_an_unknown_loss_is_told() -> None:
    with pytest.raises(UserError, match="'hinge' is no loss; there are plain, invariance"):
        vgg_train.main(None, "hinge")


def test_a_gcnn_is_the_same_everywhere_on_the_line_to_its_mirror_image(cfg: Any) -> None:
    merging = Merging(cfg)
    net = plain(merging.network("gcnn", 0).eval()).requires_grad_(False)

    def middle(network: Any) -> torch.Tensor:
        pair = merging.align(network, flipped(network))
        return merging.between(pair, 0.5, repair=False)(merging.calibration)

    (halfway,) = merging.each(middle, [net])
    torch.testing.assert_close(halfway, net(merging.calibration), rtol=1e-4, atol=1e-6)


def test_items_are_worked_on_in_order_whatever_the_threads(cfg: Any) -> None:
    merging = Merging(cfg)
    assert merging.each(lambda item: 2 * item, range(5)) == [0, 2, 4, 6, 8]


def test_pairs_of_one_kind_are_neighbours_and_of_two_kinds_the_same_seed() -> None:
    kept = [("cnn", 0), ("cnn", 1), ("cnn", 3), ("gcnn", 0), ("gcnn", 3)]
    assert coupled(("cnn", "cnn"), kept) == [(kept[0], kept[1]), (kept[1], kept[2]), (kept[2], kept[0])]
    assert coupled(("cnn", "gcnn"), kept) == [(kept[0], kept[3]), (kept[2], kept[4])]
    assert coupled(("cnn", "cnn"), kept[:1]) == []


def test_the_barrier_is_against_the_line_between_the_ends() -> None:
    alphas = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert highest([0.9, 0.8, 0.7, 0.75, 0.8], alphas) == 2
    assert highest([0.9, 0.62, 0.6, 0.55, 0.5], alphas) == 1, "lower later, but on the line between the ends"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("warmup_epochs: 5\n", "warmup_epochs: 100\n", "leaves none of 100 epochs to come down"),
        ("alphas: [0.0, 0.1,", "alphas: [0.05, 0.1,", "must rise from 0.0 to 1.0"),
    ],
)
def test_settings_that_do_not_fit_together(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = (Path(__file__).parents[1] / "params.yaml").read_text()
    assert text.count(old) == 1
    (tmp_path / "params.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=told):
        config.check(tmp_path / "params.yaml")
