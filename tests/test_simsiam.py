"""SimSiam: its loss by hand, its views, and that a network learns by it without labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from learned_symmetry.data.augment import ColourJitter, Flips, InTurn, ResizedCrops, Standardise, Views
from learned_symmetry.fit import fit
from learned_symmetry.models import Network, seeded
from learned_symmetry.models.bottleneck import BottleneckResNet
from learned_symmetry.rng import generator
from learned_symmetry.runs import Recipe, Run
from learned_symmetry.sgd import SGD
from learned_symmetry.simsiam import SimSiam, TwoViews

IMAGES = torch.randint(256, (6, 3, 8, 8), generator=generator(0, "images"), dtype=torch.uint8)
LABELS = torch.zeros(6, dtype=torch.int64)


class Pair(nn.Module):
    """(p, z) are two linear maps of the flattened image."""

    def __init__(self) -> None:
        super().__init__()
        self.p, self.z = nn.Linear(12, 4), nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.p(x.flatten(1)), self.z(x.flatten(1))


def test_the_loss_is_that_of_equation_2_and_no_gradient_reaches_the_targets() -> None:
    net = seeded(Pair, generator(0, "pair"))
    x = torch.randn(5, 2, 3, 2, 2, generator=generator(0, "views"))
    losses = TwoViews().losses(Network(net, dict(net.named_parameters())), {"x": x})
    (p1, z1), (p2, z2) = (net(x[:, view]) for view in (0, 1))
    wanted = -(F.cosine_similarity(p1, z2) + F.cosine_similarity(p2, z1)).mean() / 2
    torch.testing.assert_close(losses["total"], wanted)
    losses["total"].backward()
    assert net.p.weight.grad.abs().max() > 0
    assert net.z.weight.grad is None


def test_a_validation_image_and_its_mirror_image_are_its_views() -> None:
    net = seeded(Pair, generator(0, "pair"))
    x = torch.randn(5, 3, 2, 2, generator=generator(0, "still"))
    network = Network(net, dict(net.named_parameters()))
    wanted = TwoViews().losses(network, {"x": torch.stack([x, x.flip(-1)], 1)})["total"]
    torch.testing.assert_close(TwoViews().score(network, {"x": x}), wanted)


def test_views_are_drawn_apart_and_depend_on_the_generator_alone() -> None:
    views = Views(InTurn((ResizedCrops(0.2), Flips(0.5), ColourJitter(0.4, 0.8, 0.2))))
    first, y = views(IMAGES, LABELS, generator(0, "draws"))
    assert first.shape == (6, 2, 3, 8, 8)
    assert first.dtype == torch.uint8
    assert torch.equal(y, LABELS)
    assert not torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(views(IMAGES, LABELS, generator(0, "draws"))[0], first)


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    box = torch.tensor([1.0, 0.5, 0.3, 0.7]).unsqueeze(1).expand(4, 6)  # all of the area, width equal to height
    seen, _ = ResizedCrops(0.2).apply(IMAGES, LABELS, {"box": box})
    assert torch.equal(seen, IMAGES)


def test_a_crop_of_a_quarter_is_the_corner_enlarged() -> None:
    box = torch.tensor([(0.25 - 0.2) / 0.8, 0.5, 0.0, 1.0]).unsqueeze(1).expand(4, 6)  # left and bottom
    seen, _ = ResizedCrops(0.2).apply(IMAGES, LABELS, {"box": box})
    wanted = F.interpolate(IMAGES[..., 4:, :4].float(), size=(8, 8), mode="bilinear")
    assert (seen[..., 2:, :-2].float() - wanted[..., 2:, :-2]).abs().max() <= 0.5 + 1e-3, "but for rounding"


@pytest.mark.parametrize(("factors", "wanted"), [
    ([1.0, 1.0, 1.0], lambda x: x),
    ([1.3, 1.0, 1.0], lambda x: (1.3 * x).clamp(max=255)),
    ([1.0, 1.0, 0.0], lambda x: (x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True).expand_as(x)),
])  # fmt: skip
def test_colour_jitter_by_hand(factors: list[float], wanted: object) -> None:
    draws = {"factors": torch.tensor(factors).unsqueeze(1).expand(3, 6), "greyed": torch.zeros(6, dtype=torch.bool)}
    seen, _ = ColourJitter(0.4, 0.8, 0.2).apply(IMAGES, LABELS, draws)
    assert (seen.float() - wanted(IMAGES.float())).abs().max() <= 0.5 + 1e-3
    grey, _ = ColourJitter(0.4, 0.8, 0.2).apply(IMAGES, LABELS, draws | {"greyed": torch.ones(6, dtype=torch.bool)})
    assert torch.equal(grey[:, 0], grey[:, 1])


def test_the_share_of_jittered_images_is_p() -> None:
    draws = ColourJitter(0.4, 0.8, 0.2).draw(generator(0, "share"), 4000)
    assert (draws["factors"] != 1).all(0).float().mean() == pytest.approx(0.8, abs=0.02)
    assert draws["greyed"].float().mean() == pytest.approx(0.2, abs=0.02)
    assert 0.6 <= draws["factors"].min() <= draws["factors"].max() <= 1.4


def test_the_engine_trains_a_small_resnet_without_labels(tmp_path: Path) -> None:
    net = seeded(
        lambda: SimSiam(BottleneckResNet((1,), width=4, classes=10, stem=3), features=16, out=16, hidden=4),
        generator(0, "net"),
    )
    x = torch.randint(256, (32, 3, 8, 8), generator=generator(0, "x"), dtype=torch.uint8)
    data = {"x": x, "y": torch.zeros(32, dtype=torch.int64)}
    augment = Views(InTurn((ResizedCrops(0.6), Flips(0.5))))
    prepare = Standardise((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    run = Run("net", 0, net, TwoViews(), data, data, lr=0.1, augment=augment, prepare=prepare)
    recipe = Recipe(steps=30, batch=16, evaluate_every=10, keep="last", optimiser=SGD(momentum=0.9), order="shuffled")
    (done,) = fit([run], recipe, scratch=tmp_path)
    likeness = [value for _, value in done.history["loss.likeness"]]
    assert done.dropped is None
    assert likeness[-1] > likeness[0]
