"""Activation matching of all layers in one pass, against running both networks anew for every layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import common
from learned_symmetry.merge.matching import assignment, moments
from learned_symmetry.merge.permute import flipped
from learned_symmetry.models import seeded
from learned_symmetry.models.vgg import LAYERS, POOLED, VGG11

WIDTH, IMAGES = 16, 2000  # a quarter of the paper's width: at 64 the plain form takes two minutes a round
EPS, BATCH, CHUNK = 1e-4, 500, 50
FORMS = ("plain", "one pass")
REQUIRED = {"one pass": 4.0}


@pytest.fixture(scope="module")
def forms() -> dict[str, common.Form]:
    """A network whose signal neither dies nor grows, and its mirror image, on noise."""
    first = seeded(lambda: VGG11(WIDTH), common.generator(0, "benchmark", "vgg")).requires_grad_(False)
    for convolution, _ in first.layers:
        convolution.weight.mul_(6**0.5)
    second = flipped(first)
    x = torch.randn(IMAGES, 3, 32, 32, generator=common.generator(0, "benchmark", "images"))

    def until(network: VGG11, h: Tensor, last: int) -> Tensor:
        for number in range(last + 1):
            h = network.layers[number](h)
            if number in POOLED and number < last:
                h = F.max_pool2d(h, 2)
        return h

    def plain() -> common.Result:
        found = {}
        for layer in range(LAYERS):
            means, squares, cross = 0.0, 0.0, 0.0
            for part in x.split(BATCH):
                a, b = (until(net, part, layer).transpose(0, 1).flatten(1).double() for net in (first, second))
                both, share = torch.stack([a, b]), len(part) / IMAGES
                means = means + share * both.mean(2)
                squares = squares + share * both.square().mean(2)
                cross = cross + share * (a @ b.T) / a.shape[1]
            std = (squares - means.square()).clamp(min=0).sqrt()
            found[f"layers.{layer}"] = (cross - means[0].outer(means[1])) / (std[0].outer(std[1]) + EPS)
        return scored(found)

    def one_pass() -> common.Result:
        found = moments(first, second, x.split(CHUNK), first.channels())
        return scored({layer: moment.correlation(EPS) for layer, moment in found.items()})

    return dict(zip(FORMS, (plain, one_pass), strict=True))


def scored(correlations: dict[str, Tensor]) -> common.Result:
    """Correlations, and the sums that the assignments reach: where channels tie, the assignments may differ."""
    reached = [c[torch.arange(len(c)), assignment(c)].sum() for c in correlations.values()]
    return correlations | {"matched": torch.stack(reached)}


@common.group(f"activation matching, VGG11 of width {WIDTH}, {IMAGES} images, {LAYERS} layers")
@pytest.mark.parametrize("form", FORMS)
def test_matching(race: Callable[..., None], forms: dict[str, common.Form], form: str) -> None:
    """One pass of both networks, products in float32 and sums in float64, a batch in cache: at least 4 times faster."""
    race(forms, form, REQUIRED, rounds=3)
