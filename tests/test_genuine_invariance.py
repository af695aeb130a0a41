"""Moskalev et al. 2023: networks, objectives, data, tuning, drift and Proposition 3.1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry import config, models
from learned_symmetry.adam import Adam
from learned_symmetry.augmentation import ERRORS, Augmented, Regularised
from learned_symmetry.data import fashion_mnist, mnist, sources, transforming
from learned_symmetry.errors import UserError
from learned_symmetry.fit import Recipe, Run, fit
from learned_symmetry.gradient_flow import descend, error, flow, gradient
from learned_symmetry.groups import Group, QuarterTurns, Shifts
from learned_symmetry.models import Network, parameter_count
from learned_symmetry.models.perceptron import Perceptron, TiedPerceptron
from stages.moskalev2023.drift import curve
from stages.moskalev2023.tune import pick

ROOT = Path(__file__).parents[1]
GROUPS = {"R4": QuarterTurns(), "T3": Shifts(3)}
each_group = pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)


# ---- networks ------------------------------------------------------------------------------------------------------


def test_parameters_are_the_papers_230k() -> None:
    assert parameter_count(Perceptron(36, 5, 128, 9, bias=False)) == 232_576
    assert parameter_count(Perceptron(36, 5, 128, 9, bias=True)) == 233_225
    assert parameter_count(TiedPerceptron(QuarterTurns(), "max", 36, 5, 128, 9, bias=False)) == 232_576


@each_group
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_tied_filters_see_the_moved_copies(group: Group, pool: Any, randn: Callable[..., Tensor]) -> None:
    """Moving the filters gives what the same filters give on the moved images, and the logits do not change."""
    tied = TiedPerceptron(group, pool, 36, 5, 128, 9, bias=True).double()
    x = randn(3, 1, 36, 36)
    seen = torch.stack([tied.layer1(group.act(x, g).flatten(1)).relu() for g in range(group.order)])
    torch.testing.assert_close(tied.first(x), seen.amax(0) if pool == "max" else seen.mean(0))
    for g in range(group.order):
        torch.testing.assert_close(tied(group.act(x, g)), tied(x), rtol=0, atol=1e-14)


# ---- objectives ----------------------------------------------------------------------------------------------------


@each_group
def test_sources_move_as_the_group_does(group: Group, randn: Callable[..., Tensor]) -> None:
    x = randn(5, 1, 6, 6)
    for g, index in enumerate(group.sources(6, 6)):
        assert torch.equal(x.flatten(1)[:, index].view_as(x), group.act(x, g))


def batch(group: Group, randn: Callable[..., Tensor]) -> dict[str, Tensor]:
    drawn = {"g": torch.tensor([0, 1, 2, 1]), "other": torch.tensor([1, 2, 1, 2])}
    return {"x": randn(4, 1, 6, 6), "y": torch.tensor([0, 1, 2, 0]), "sources": group.sources(6, 6), **drawn}


@each_group
@pytest.mark.parametrize("form", ERRORS)
@pytest.mark.parametrize("sampling", ["one", "all"])
def test_loss_by_hand(group: Group, form: str, sampling: Any, randn: Callable[..., Tensor]) -> None:
    network, b = Perceptron(6, 2, 8, 3, bias=False).double(), batch(group, randn)
    losses = Regularised(group, 2.5, form, sampling).losses(Network(network, dict(network.named_parameters())), b)
    tasks, errors = [], []
    for x, y, g, other in zip(b["x"], b["y"], b["g"].tolist(), b["other"].tolist(), strict=True):
        moved = group.act(x.unsqueeze(0), g)
        f = network(moved)[0]
        tasks.append(F.cross_entropy(f, y))
        for h in [other] if sampling == "one" else range(1, group.order):
            fg = network(group.act(moved, h))[0]
            square, p, q = ((f - fg) ** 2).sum(), f.softmax(0), fg.softmax(0)
            by_hand = {"LI": square / 2, "DI": (p * (p / q).log()).sum(), "NLI": square / (f**2).sum()}
            errors.append(by_hand[form])
    task, invariance = torch.stack(tasks).mean(), torch.stack(errors).mean()
    torch.testing.assert_close(losses["task"], task)
    torch.testing.assert_close(losses["invariance"], invariance)
    torch.testing.assert_close(losses["total"], task + 2.5 * invariance)


@each_group
def test_draws_are_uniform_and_the_other_is_never_the_identity(group: Group) -> None:
    drawn = Regularised(group, 1.0, "LI", "one").draw(torch.Generator().manual_seed(0), 6000)
    assert torch.bincount(drawn["g"], minlength=group.order).min() > 0.9 * 6000 / group.order
    assert drawn["other"].unique().tolist() == list(range(1, group.order))


@pytest.mark.parametrize("kind", ["WT", "DA", *ERRORS])
def test_stacked_equals_looped(kind: str, tmp_path: Path, randn: Callable[..., Tensor]) -> None:
    """50 steps of seeds, weights and both groups in one call, or one by one."""
    x, y = randn(40, 1, 6, 6, dtype=torch.float32), torch.arange(40) % 3

    def trained(stack: Any) -> list[dict[str, Tensor]]:
        runs = []
        for name, group in GROUPS.items():
            for seed in range(2):

                def build(group: Group = group) -> Perceptron:
                    sizes = (6, 2, 8, 3)
                    return (
                        TiedPerceptron(group, "max", *sizes, bias=False) if kind == "WT" else Perceptron(*sizes, False)
                    )

                objective = Regularised(group, 1.0 + seed, kind, "one") if kind in ERRORS else Augmented(group)
                network = models.seeded(build, torch.Generator().manual_seed(seed))
                parts = {"train": {"x": x, "y": y}, "valid": {"x": x[:10], "y": y[:10]}}
                constants = {"sources": group.sources(6, 6)}
                runs.append(Run(f"{name}{seed}", seed, network, objective, **parts, lr=0.01, constants=constants))
        recipe = Recipe(50, 16, 25, "best", Adam((0.9, 0.999), 1e-8), "shuffled", stack=stack)
        return [done.state for done in fit(runs, recipe, scratch=tmp_path / stack)]

    for together, alone in zip(trained("always"), trained("never"), strict=True):
        for name, weight in together.items():
            torch.testing.assert_close(weight, alone[name], rtol=1e-4, atol=1e-5)


@each_group
def test_validation_counts_the_orbit(group: Group, randn: Callable[..., Tensor]) -> None:
    network, b = Perceptron(6, 2, 8, 3, bias=False).double(), batch(group, randn)
    score = Augmented(group).score(Network(network, dict(network.named_parameters())), b)
    right = [(network(group.act(b["x"], g)).argmax(1) == b["y"]).double().mean() for g in range(group.order)]
    assert score.item() == pytest.approx(torch.stack(right).mean().item())


# ---- data ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Numbered images: the first two pixels say which one it is, as long as there is no normalisation to undo."""
    monkeypatch.chdir(ROOT)
    kinds = {"kind": "official"}

    def numbered(split: str, cfg: Any) -> tuple[Tensor, Tensor]:
        n, start = (60, 0) if split == "train" else (20, 60)
        images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
        images[:, 0, 0, 0], images[:, 0, 5, 5] = torch.arange(start, start + n), 255
        return images, torch.arange(n) % 10

    for module in (mnist, fashion_mnist):
        monkeypatch.setattr(module, "load", numbered)
        monkeypatch.setattr(module, "source", lambda cfg: sources.Source("mnist", kinds["kind"], None))
    cfg = config.load("moskalev2023", scale="smoke")
    block = cfg.data_set.model_copy(update={"train": 30, "validation": 10, "test": 25})
    return SimpleNamespace(data_set=block, kinds=kinds)


def test_the_split(settings: Any) -> None:
    """72 images of 80 are no 9; 65 are used, each once; the border is as black as the background."""
    data = transforming.load("mnist", settings)
    parts = (data.train, data.valid, data.test)
    assert [len(part.y) for part in parts] == [30, 10, 25]
    assert data.train.x.shape[1:] == (1, 36, 36)
    assert torch.cat([part.y for part in parts]).max() == 8
    scale = 255 / (data.train.x.max() - data.black)
    numbers = torch.cat([(part.x[:, 0, 4, 4] - data.black) * scale for part in parts]).round().int().tolist()
    assert len(set(numbers)) == 65
    assert all(number % 10 == y for number, y in zip(numbers, torch.cat([p.y for p in parts]).tolist(), strict=True))
    assert max(numbers) >= 60  # test images are pooled with training images
    assert data.train.x.mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train.x.std().item() == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(data.test.x[:, :, :4], torch.full((25, 1, 4, 36), data.black))


def test_fewer_test_images_are_the_first_ones(settings: Any) -> None:
    few, all_ = transforming.load("mnist", settings, 7).test, transforming.load("mnist", settings).test
    assert torch.equal(few.x, all_.x[:7])
    assert torch.equal(few.y, all_.y[:7])


def test_too_small_a_set_is_told_and_a_stand_in_is_split_in_proportion(settings: Any) -> None:
    settings.data_set = settings.data_set.model_copy(update={"test": 104})
    with pytest.raises(UserError, match="asks for 144 images of mnist, which has 72"):
        transforming.load("mnist", settings)
    settings.kinds["kind"] = "stand-in"
    data = transforming.load("mnist", settings)
    assert [len(part.y) for part in (data.train, data.valid, data.test)] == [15, 5, 52]


def test_partners_have_the_same_label_and_repeat_only_where_they_run_out() -> None:
    y, other = torch.tensor([0, 1, 0, 0, 1]), torch.tensor([1, 0, 1, 0, 2])
    found = transforming.partners(y, other, 0)
    assert torch.equal(other[found], y)
    assert len(set(found[y == 1].tolist())) == 2
    assert len(set(found[y == 0].tolist())) == 2
    with pytest.raises(ValueError, match="label 3"):
        transforming.partners(torch.tensor([3]), other, 0)


def test_blend_moves_with_the_group(randn: Callable[..., Tensor]) -> None:
    a, b = randn(2, 1, 6, 6), randn(2, 1, 6, 6)
    torch.testing.assert_close(transforming.blended(a, b, 0.3), 0.7 * a + 0.3 * b)
    assert torch.equal(transforming.blended(a, b, 0.0), a)
    assert torch.equal(transforming.blended(a, b, 1.0), b)


# ---- tuning and drift ----------------------------------------------------------------------------------------------


def row(weight: float, si: float | None, accuracy: float | None) -> dict[str, float | None]:
    return {"weight": weight, "si": si, "accuracy": accuracy}


@pytest.mark.parametrize(
    ("rows", "weight", "reached"),
    [
        ([row(1, 0.5, 0.9), row(3, 0.95, 0.8), row(10, 0.99, 0.7)], 3, True),
        ([row(1, 0.5, 0.9), row(3, 0.94, 0.8), row(10, 0.99, 0.4)], 3, False),  # the last one collapsed
        ([row(1, None, None), row(3, 0.6, 0.8), row(10, 0.5, 0.8)], 3, False),
        ([row(3, None, None), row(1, None, None)], 1, False),
    ],
    ids=["smallest that reaches", "collapsed", "none reaches", "all dropped"],
)
def test_which_weight_is_picked(rows: list[Any], weight: float, reached: bool) -> None:
    told = pick(rows, 0.95, 0.5)
    assert (told["weight"], told["reached"]) == (weight, reached)


def test_the_drift_curves_of_an_invariant_network(randn: Callable[..., Tensor]) -> None:
    """DI is 0 everywhere; the ratio is 1 at beta = 0 and what the labels of the other set leave at 1."""
    group, tied = "R4", TiedPerceptron(QuarterTurns(), "max", 6, 2, 8, 3, bias=False).double()
    near, far = randn(8, 1, 6, 6), randn(8, 1, 6, 6)
    y = tied(near).argmax(1)
    experiment = SimpleNamespace(
        cfg=SimpleNamespace(drift=SimpleNamespace(betas=[0.0, 0.2, 1.0])), transformed=lambda part, group: part
    )
    found = curve(experiment, tied, group, transforming.Part(near, y), transforming.Part(far, y))
    assert found["ratio_b000"] == 1
    assert found["ratio_b100"] == pytest.approx((tied(far).argmax(1) == y).double().mean().item())
    assert found["ratio_mean"] == found["ratio_b020"]
    assert found["di_max"] < 1e-14


# ---- Proposition 3.1 -----------------------------------------------------------------------------------------------


@pytest.fixture
def linear(randn: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    x = randn(5, 50, 4, 4)
    return randn(5, 3, 16), (x - QuarterTurns().act(x, 1)).flatten(2)


def test_closed_form_of_the_flow(linear: tuple[Tensor, Tensor]) -> None:
    w, eps = linear
    sigma = eps.mT @ eps / 50
    torch.testing.assert_close(gradient(w, eps), w @ sigma)
    torch.testing.assert_close(flow(w, eps, 0.3), w @ torch.matrix_exp(-0.3 * sigma), rtol=0, atol=1e-12)
    one = eps[:, :1]
    kept = torch.eye(16) - one.mT @ one / one.square().sum(-1, keepdim=True)
    torch.testing.assert_close(flow(w, one, torch.inf), w @ kept.double(), rtol=0, atol=1e-12)


def test_the_flow_never_raises_the_norm_and_a_rate_too_large_does(linear: tuple[Tensor, Tensor]) -> None:
    w, eps = linear
    largest = torch.linalg.eigvalsh(eps.mT @ eps / 50)[:, -1]
    at = [flow(w, eps, t / largest) for t in (0.0, 0.1, 1.0, 10.0, 1000.0)]
    norms = torch.stack([torch.linalg.svdvals(each)[:, 0] for each in at])
    errors = torch.stack([error(each, eps) for each in at])
    assert (norms.diff(dim=0) <= 1e-12).all()
    assert (errors.diff(dim=0) < 0).all()
    assert errors[-1].max() < 1e-4 * errors[0].min()
    grown = torch.linalg.svdvals(descend(w, eps, 2.5 / largest, 50))[:, 0]
    assert (grown > norms[0]).all()


def test_descent_follows_the_flow_to_first_order(linear: tuple[Tensor, Tensor]) -> None:
    w, eps = linear
    t = 1 / torch.linalg.eigvalsh(eps.mT @ eps / 50)[:, -1]
    off = [(descend(w, eps, t / n, n) - flow(w, eps, t)).norm() for n in (50, 500)]
    assert off[0] / off[1] == pytest.approx(10, rel=0.05)
