"""A layer of frozen clones as two matrix products, against the plain loop over pairs of channels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import common
from learned_symmetry.cloning.clone import Clone, ClonedConv, cloned, convolved, freeze
from learned_symmetry.cloning.objective import CloneLoss
from learned_symmetry.models import Network, seeded
from learned_symmetry.rng import generator

CHANNELS, OUT, SIZE, BATCH = 10, 20, 12, 64
KERNELS, IMAGES = 1024, 32  # as at quick
LAYER, LOSS = ("loop over pairs", "two products"), ("outputs of each kernel", "moments")


def result(loss: Tensor, weights: dict[str, Tensor]) -> common.Result:
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return {"loss": loss.detach().unsqueeze(0), **dict(zip(weights, gradients, strict=True))}


@pytest.fixture(scope="module")
def layer_forms() -> dict[str, common.Form]:
    clone = Clone("t2", SIZE, 9)
    torch.nn.init.normal_(clone.W, generator=generator(0, "maps"))
    layer = seeded(lambda: ClonedConv(freeze(clone), CHANNELS, OUT), generator(0, "layer"))
    x = torch.rand(BATCH, CHANNELS, SIZE, SIZE, generator=generator(0, "images")).requires_grad_()
    weights = {"x": x, **dict(layer.named_parameters())}

    def loop() -> common.Result:
        rows = [
            sum(cloned(clone, x[:, i, None], layer.weight[o, i, None])[:, 0, 0] for i in range(CHANNELS))
            for o in range(OUT)
        ]
        return result((torch.stack(rows, 1) + layer.bias.view(-1, 1, 1)).square().mean(), weights)

    return dict(zip(LAYER, (loop, lambda: result(layer(x).square().mean(), weights)), strict=True))


@common.group(f"a frozen layer, {CHANNELS} x {OUT} channels of {SIZE} x {SIZE}, batch {BATCH}: forward and backward")
@pytest.mark.parametrize("form", LAYER)
def test_frozen_layer(race: Callable[..., None], layer_forms: dict[str, common.Form], form: str) -> None:
    race(layer_forms, form, {"two products": 10.0}, rounds=3)


@pytest.fixture(scope="module")
def loss_forms() -> dict[str, common.Form]:
    objective = CloneLoss("t2", SIZE, iterations=1, kernels=KERNELS, images_are="shared", device="cpu")
    clone = seeded(lambda: Clone("t2", SIZE, 9), generator(0, "clone"))
    torch.nn.init.normal_(clone.W, generator=generator(0, "maps"))
    batch, weights = objective.draw(generator(0, "draw"), IMAGES), dict(clone.named_parameters())

    def outputs() -> common.Result:
        x, c = batch["x"][0, 0], batch["c"][0, 0]
        return result(F.mse_loss(cloned(clone, x, c), convolved("t2", x, c)), weights)

    def moments() -> common.Result:
        return result(objective.losses(Network(clone, weights), batch)["loss"], weights)

    return dict(zip(LOSS, (outputs, moments), strict=True))


@common.group(f"the loss of a clone of {SIZE} x {SIZE} pixels, {KERNELS} kernels x {IMAGES} images, with gradients")
@pytest.mark.parametrize("form", LOSS)
def test_clone_loss(race: Callable[..., None], loss_forms: dict[str, common.Form], form: str) -> None:
    race(loss_forms, form, {"moments": 2.0}, rounds=5)
