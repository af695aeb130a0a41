"""Networks with batch norm as one program, against one after the other: why the engine does not stack them on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import stack_module_state

from benchmarks import common
from learned_symmetry import models
from learned_symmetry.models.cnn7 import CNN7
from learned_symmetry.models.residual import ResNetCIFAR
from learned_symmetry.rng import generator

NETWORKS = {  # network, images' shape: as at quick, two seeds of a batch of 64
    "7-layer CNN": (lambda: CNN7(6), (1, 28, 28)),
    "ResNet": (lambda: ResNetCIFAR(n=2, width=8), (3, 32, 32)),
}
RUNS, BATCH = 2, 64
WORTH_IT = 1.3  # how many times faster stacking must be to be worth its code


@common.group(f"loss and gradients of {RUNS} networks with batch norm, batches of {BATCH}")
@pytest.mark.parametrize("form", ["stacked", "looped"])
@pytest.mark.parametrize("name", NETWORKS)
def test_batch_norm(race: Callable[..., None], name: str, form: str) -> None:
    """Fails where stacking has become worth it."""
    make, shape = NETWORKS[name]
    stream = generator(0, "benchmark", "batch norm")
    x = torch.randn(RUNS, BATCH, *shape, generator=stream)
    y = torch.randint(6, (RUNS, BATCH), generator=stream)
    nets = [models.seeded(make, generator(seed, "network")) for seed in range(RUNS)]
    weights, buffers = stack_module_state(nets)
    kept = [name for name in weights if not name.endswith(".0.bias")]  # what a norm cancels has rounding as gradient
    module = make()

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(models.Network(module, weights | buffers)(x), y)

    def stacked() -> common.Result:
        losses = torch.vmap(loss)(weights, buffers, x, y)
        gradients = dict(zip(weights, torch.autograd.grad(losses.sum(), list(weights.values())), strict=True))
        return {"loss": losses.detach()} | {name: gradients[name] for name in kept}

    def looped() -> common.Result:
        losses = [F.cross_entropy(net(images), labels) for net, images, labels in zip(nets, x, y, strict=True)]
        gradients = [torch.autograd.grad(one, list(net.parameters())) for one, net in zip(losses, nets, strict=True)]
        joined = dict(zip(weights, map(torch.stack, zip(*gradients, strict=True)), strict=True))
        return {"loss": torch.stack(losses).detach()} | {name: joined[name] for name in kept}

    race({f"{name}, stacked": stacked, f"{name}, looped": looped}, f"{name}, {form}", {f"{name}, looped": 1 / WORTH_IT})
