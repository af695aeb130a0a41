"""What the stages of Bruintjes et al. 2023 that train and measure share: sizes, recipes, fills, records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learned_symmetry import config, models, record, supervised
from learned_symmetry.cifar10_networks import KINDS, WIDTHS, Photographs
from learned_symmetry.config.bruintjes2023 import Bruintjes2023, Training, Translation
from learned_symmetry.data import augment, cifar10, mnist, mnist6
from learned_symmetry.data.augment import Standardise
from learned_symmetry.data.sources import Source
from learned_symmetry.errors import UserError
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.learned_equivariance import diagonal_shifts, measure_all, picked, trained
from learned_symmetry.measure.equivariance import PARTS, Similarity, by_part, equivariance
from learned_symmetry.mnist6_networks import TASKS, Digits
from learned_symmetry.report import papers
from learned_symmetry.sgd import SGD
from stages.bruintjes2023 import measure_cifar10, similarity, train_cifar10

ROOT = Path(__file__).parents[1]
GREY = Standardise((0.5,), (0.25,))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Bruintjes2023]:
    """``settings(scale)``, where all data are at hand."""
    monkeypatch.chdir(ROOT)
    for module in (mnist, cifar10):
        monkeypatch.setattr(module, "source", lambda cfg, module=module: Source(module.NAME, "official", None))
    return lambda scale: config.load("bruintjes2023", scale=scale)


# ---- training --------------------------------------------------------------------------------------------------------


def test_full_has_the_papers_networks(settings: Callable[[str], Bruintjes2023]) -> None:
    """Protocol 3.3, 3.4 and 3.5."""
    cfg = settings("full")
    counts = {"s1": 563_930, "s2": 2_243_546, "s4": 8_949_210, "s8": 35_748_314}
    photographs, digits = Photographs(cfg), Digits(cfg)
    with torch.device("meta"):
        for kind in KINDS:
            network = photographs.network(kind, 0)
            assert models.parameter_count(network) == counts.get(kind, 658_586)
            assert len(network.blocks) == (18 if kind in WIDTHS else 21)
        assert [models.parameter_count(digits.network(task, 0)) for task in TASKS] == [22_326, 22_326, 22_704]


def test_a_kind_is_an_augmentation_or_a_width(settings: Callable[[str], Bruintjes2023]) -> None:
    photographs = Photographs(settings("full"))
    found = {kind: photographs.augmentation(kind) for kind in KINDS}
    assert found["crops"] == augment.Crops(4)
    assert found["flips"] == augment.Flips(0.5)
    assert found["cutmix"] == augment.CutMix(1.0, 0.5, 10)
    assert found["randaugment"] == augment.RandAugment(2, 9)
    assert [found[kind] for kind in ("none", *WIDTHS)] == [None] * 5
    assert KINDS == papers.RESIDUAL


@pytest.mark.parametrize(("script", "what"), [(train_cifar10, "s3"), (measure_cifar10, "depths")])
def test_an_unknown_kind_is_told(settings: Callable[[str], Bruintjes2023], script: Any, what: str) -> None:
    with pytest.raises(UserError, match=f"{script.__name__.rpartition('.')[2]}.py: '{what}'"):
        script.main(settings("smoke"), what)


def test_the_rate_falls_after_epochs_and_the_last_weights_count(
    settings: Callable[[str], Bruintjes2023], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(supervised, "fit", lambda runs, recipe, **options: seen.update(recipe=recipe, options=options))
    cfg, data = settings("smoke"), (torch.zeros(100, 1, 4, 4, dtype=torch.uint8), torch.zeros(100, dtype=torch.long))
    run = supervised.run("a", 0, nn.Flatten(), data, data, GREY, cfg.cifar10.optimiser)
    assert (run.lr, run.weight_decay, run.prepare) == (0.1, 1e-4, GREY)
    training = Training(images=None, validation=None, epochs=5, batch=32, evaluate_every=2, drops=[3, 4])
    supervised.train([run], training, SGD(momentum=0.9), 0.1, cfg.engine, channels_last=True, label="x")
    recipe = seen["recipe"]
    assert (recipe.steps, recipe.evaluate_every, recipe.keep, recipe.channels_last) == (20, 8, "last", True)
    assert [recipe.schedule.share(step) for step in (0, 11, 12, 15, 16, 19)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )
    assert seen["options"] == {"label": "x"}


# ---- measuring -------------------------------------------------------------------------------------------------------


def test_the_same_test_images_for_every_network(settings: Callable[[str], Bruintjes2023]) -> None:
    cfg = settings("smoke")
    images = picked(torch.arange(90).view(-1, 1, 1, 1), cfg).flatten()
    assert len(images) == cfg.evaluation.images
    assert len(images.unique()) == len(images)
    assert torch.equal(images, picked(torch.arange(90).view(-1, 1, 1, 1), cfg).flatten())
    assert images.tolist() != sorted(images.tolist())


@pytest.mark.parametrize(("fill", "pixel"), [("black", 0), ("mean", 127.5), ("roll", None)])
def test_what_a_shift_leaves_vacant(fill: str, pixel: float | None) -> None:
    images = torch.arange(16.0).view(1, 1, 4, 4) * 10
    moves = diagonal_shifts(2, Translation(fill=fill, fractional="bilinear", least=1), GREY)
    expected = images.roll((1, 1), (-2, -1))
    if pixel is not None:
        expected[..., 0, :] = expected[..., 0] = pixel
    torch.testing.assert_close(moves.act(GREY(images), 1), GREY(expected))


class Small(nn.Module):
    """Three layers of maps, pooled features and logits."""

    strides = {"0": 1, "1": 1, "2": 1, "pool": 6, "logits": 6}  # noqa: RUF012 (read only)

    def __init__(self) -> None:
        super().__init__()
        for name, channels in (("0", 1), ("1", 3), ("2", 3)):
            setattr(self, name, nn.Conv2d(channels, 3, 3, padding=1))
        self.pool, self.head = nn.Flatten(), nn.Linear(108, 4)

    def forward(self, x: Tensor) -> Tensor:
        for name in ("0", "1", "2"):
            x = getattr(self, name)(x).relu()
        return self.head(self.pool(x))


def test_scores_are_recorded_by_part_and_seed(settings: Callable[[str], Bruintjes2023]) -> None:
    cfg = settings("smoke")
    cfg = cfg.model_copy(update={"engine": cfg.engine.model_copy(update={"device": "cpu"})})
    networks = [models.seeded(Small, torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    images, out = (
        torch.rand(60, 1, 6, 6, generator=torch.Generator().manual_seed(0)),
        record.Stage(cfg, "x", "y", source="z"),
    )
    parts = measure_all(out, "row", [networks[0], None, networks[1]], images, QuarterTurns(), (1, 3), cfg)
    assert parts[1] is None
    for number, seed in ((0, 0), (1, 2)):
        scores = equivariance(
            networks[number], [images], QuarterTurns(), Small.strides, Similarity(1e-8), elements=(1, 3)
        )
        told = by_part(scores, "mean")
        for part in PARTS:
            for kind in ("inv", "eqv"):
                assert out.metrics[f"row.{kind}.{part}"]["values"][seed] == pytest.approx(told[part][kind], abs=1e-6)
        run = out.runs[number]
        assert (run.name, run.seed) == (f"row/seed{seed}", seed)
        assert run.metrics["eqv_sample.late"] == pytest.approx(by_part(scores, "sample")["late"]["eqv"], abs=1e-6)
        assert [g for g, _ in run.history["inv.1"]] == [1, 3]
        assert [v for _, v in run.history["eqv_mean.2"]] == pytest.approx(scores["2"].eqv["mean"].tolist(), abs=1e-6)
    assert out.metrics["row.inv.early"]["values"][1] is None


def test_a_run_that_was_dropped_is_not_measured(
    settings: Callable[[str], Bruintjes2023], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = {"provenance": {"dropped": {"crops/seed1": "the loss was not finite at step 5"}}}
    monkeypatch.setattr(record, "read_result", lambda *names: result)
    monkeypatch.setattr(record, "load_state", lambda *names: Small().state_dict())
    cfg = settings("smoke")
    assert trained(cfg, "train_cifar10_crops", "crops/seed1", Small()) is None
    assert not trained(cfg, "train_cifar10_crops", "crops/seed0", Small()).training


def test_turned_tasks_share_their_images(
    settings: Callable[[str], Bruintjes2023], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = torch.rand(30, 1, 4, 4).mul(255).byte()
    monkeypatch.setattr(mnist, "load", lambda split, cfg: (pixels, torch.arange(30) % 10))
    digits = Digits(settings("smoke"))
    plain, turned = (digits.data(task, "test", 7)[0] for task in ("mnist6", "rotinv"))
    assert torch.equal(turned, digits.data("roteq", "test", None)[0][:7])
    assert torch.equal(plain, mnist6.kept(pixels, torch.arange(30) % 10)[0][:7])


# ---- Figure 2 --------------------------------------------------------------------------------------------------------


def test_an_offset_changes_the_cosine_and_not_the_correlation(settings: Callable[[str], Bruintjes2023]) -> None:
    cfg = settings("full")
    out = record.Stage(cfg, "x", "y", source="z")
    similarity.random_maps(cfg, out)
    assert out.metrics["fig2a.d_pearson"]["mean"] < 1e-12
    a, b, moved = (np.array(maps[0]).ravel() for maps in out.notes["maps"])
    assert moved - b == pytest.approx(cfg.maps.offset)
    for name, values in (("cosine", (a, b, moved)), ("pearson", (a - a.mean(), b - b.mean(), moved - moved.mean()))):
        x, before, after = values
        expected = [x @ other / np.linalg.norm(x) / np.linalg.norm(other) for other in (before, after)]
        assert out.notes[name][0] == pytest.approx(expected)


def test_blocks_mean_activation_and_invariance_by_hand(settings: Callable[[str], Bruintjes2023]) -> None:
    class Blocks(nn.Module):
        strides = {"blocks.0": 1, "blocks.1": 1, "pool": 4, "logits": 4}  # noqa: RUF012 (read only)

        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(nn.ReLU(), nn.Flatten(2))
            self.blocks[1].forward = lambda x: x + 3
            self.pool = nn.Flatten()

        def forward(self, x: Tensor) -> Tensor:
            return self.pool(self.blocks(x))

    x = torch.randn(70, 2, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    told = similarity.over_blocks(settings("smoke"), Blocks(), x)
    assert told["activation"] == pytest.approx([x.relu().mean().item(), x.relu().mean().item() + 3])
    assert told["pearson"] == pytest.approx([1, 1])
    assert told["cosine"] == pytest.approx([1, 1])
