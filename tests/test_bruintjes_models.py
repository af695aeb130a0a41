"""The networks of Bruintjes et al. 2023: sizes, resolutions, parts, and the hand-crafted ones' symmetries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, stack_module_state

from learned_symmetry import models
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.equivariance import parts
from learned_symmetry.models.cnn7 import CNN7
from learned_symmetry.models.controlled import Controlled, equivariant_filters, gaussian, invariant_filters
from learned_symmetry.models.residual import Basic, PreActivated, ResNetCIFAR, WideResNet


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (lambda: CNN7(6), 22_326),
        (lambda: CNN7(24), 22_704),
        (ResNetCIFAR, 658_586),
        (lambda: WideResNet(1), 563_930),
        (lambda: WideResNet(2), 2_243_546),
        (lambda: WideResNet(4), 8_949_210),
        (lambda: WideResNet(8), 35_748_314),
    ],
    ids=["cnn7-6", "cnn7-24", "resnet44", "wrn-1", "wrn-2", "wrn-4", "wrn-8"],
)
def test_parameter_counts_of_the_protocol(build: Callable[[], nn.Module], count: int) -> None:
    with torch.device("meta"):
        assert models.parameter_count(build()) == count


@pytest.mark.parametrize(
    ("network", "size", "channels", "sizes", "cut"),
    [
        (lambda: CNN7(24), (1, 28), [20] * 7, [28] * 2 + [14] * 5, (3, 2, 2)),
        (lambda: CNN7(6, padding=0), (1, 28), [20] * 7, [26, 24, 10, 8, 6, 4, 2], (3, 2, 2)),
        (ResNetCIFAR, (3, 32), [16] * 7 + [32] * 7 + [64] * 7, [32] * 7 + [16] * 7 + [8] * 7, (7, 7, 7)),
        (lambda: WideResNet(2), (3, 32), [32] * 6 + [64] * 6 + [128] * 6, [32] * 6 + [16] * 6 + [8] * 6, (6, 6, 6)),
    ],
    ids=["cnn7", "cnn7 without padding", "resnet44", "wrn-2"],
)
def test_layers_strides_and_parts(
    network: Callable[[], nn.Module], size: tuple[int, int], channels: list[int], sizes: list[int], cut: tuple[int, ...]
) -> None:
    made = network().eval()
    seen = models.features(made, torch.rand(2, size[0], size[1], size[1]), list(made.strides))
    maps = [name for name in made.strides if name not in ("pool", "logits")]
    assert [seen[name].shape[1] for name in maps] == channels
    assert [seen[name].shape[-1] for name in maps] == sizes
    if sizes[0] == size[1]:  # padded
        assert [size[1] // made.strides[name] for name in maps] == sizes
    assert seen["pool"].shape == (2, channels[-1])
    torch.testing.assert_close(seen["logits"], made.head(seen["pool"]))
    assert list(made.strides)[-2:] == ["pool", "logits"]
    assert (
        tuple(len(names) for part, names in parts(made.strides).items() if part in ("early", "middle", "late")) == cut
    )


def test_pooled_are_the_last_maps(randn: Callable[..., Tensor]) -> None:
    network = ResNetCIFAR(n=1).double().eval()
    seen = models.features(network, randn(2, 3, 32, 32), ["blocks.2", "pool"])
    torch.testing.assert_close(seen["pool"], seen["blocks.2"].mean((-2, -1)))


def test_a_block_that_adds_nothing_passes_its_shortcut_on(randn: Callable[..., Tensor]) -> None:
    x = randn(2, 4, 6, 6)
    block = Basic(4, 8, 2).double()
    nn.init.zeros_(block.conv2.weight)
    assert torch.equal(block(x)[:, 2:6], x[..., ::2, ::2].relu())
    assert not block(x)[:, [0, 1, 6, 7]].any()
    same = PreActivated(4, 4, 1).double()
    nn.init.zeros_(same.conv2.weight)
    assert torch.equal(same(x), x)
    wider = PreActivated(4, 8, 2).double().eval()
    nn.init.zeros_(wider.conv2.weight)
    active = x.relu() / (1 + wider.norm1.eps) ** 0.5
    torch.testing.assert_close(wider(x), wider.shortcut(active))


@pytest.mark.parametrize("network", [lambda: ResNetCIFAR(n=1, width=4), lambda: WideResNet(1, n=1, width=4)])
def test_weights_start_from_the_fan_out_and_from_a_seed(network: Callable[[], nn.Module]) -> None:
    first, again = (models.seeded(network, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    convolutions = [part.weight for part in first.modules() if isinstance(part, nn.Conv2d)]
    weights = torch.cat([weight.flatten() * (weight[:, 0].numel() / 2) ** 0.5 for weight in convolutions])
    assert weights.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: CNN7(6, channels=4), (1, 28, 28)),
        (lambda: ResNetCIFAR(n=1, width=4), (3, 32, 32)),
        (lambda: WideResNet(2, n=1, width=2), (3, 32, 32)),
    ],
    ids=["cnn7", "resnet", "wrn"],
)
def test_two_runs_stacked_are_each_alone(
    make: Callable[[], nn.Module], shape: tuple[int, ...], randn: Callable[..., Tensor]
) -> None:
    x, y = randn(4, *shape), torch.tensor([1, 2, 3, 0])
    nets = [models.seeded(make, torch.Generator().manual_seed(seed)).double() for seed in (0, 1)]
    weights, buffers = stack_module_state(nets)
    weights = {name: weight.detach() for name, weight in weights.items()}
    module = make().double()

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(models.Network(module, weights | buffers)(x), y)

    slopes = torch.vmap(grad(loss))(weights, buffers)
    for number, net in enumerate(nets):
        nn.functional.cross_entropy(net(x), y).backward()
        for name, weight in net.named_parameters():
            torch.testing.assert_close(slopes[name][number], weight.grad, rtol=1e-8, atol=1e-10)


# ---- the hand-crafted networks ---------------------------------------------------------------------------------------


def test_a_gaussian_by_hand() -> None:
    bell = gaussian(3, 1.0)
    assert bell.sum().item() == pytest.approx(1)
    assert (bell[0, 0] / bell[1, 1]).item() == pytest.approx(torch.tensor(-1.0).exp().item())  # exp(-2 / 2)
    assert (bell[0, 1] / bell[1, 1]).item() == pytest.approx(torch.tensor(-0.5).exp().item())


def test_every_layer_turns_with_the_image_and_its_channels_trade_places_or_do_not(randn: Callable[..., Tensor]) -> None:
    turns, x = QuarterTurns(), randn(3, 1, 16, 16).abs()
    still = Controlled(invariant_filters(5, [0.6, 1.0, 1.4, 1.8]), 3)
    trading = Controlled(equivariant_filters(5, 2.0, 2), 3)
    for name in ("layers.0", "layers.1", "layers.2"):
        for g in range(4):
            before, after = (models.features(still, image, [name])[name] for image in (x, turns.act(x, g)))
            torch.testing.assert_close(after, turns.act(before, g))
            before, after = (models.features(trading, image, [name])[name] for image in (x, turns.act(x, g)))
            torch.testing.assert_close(after, turns.act(before.roll(g, 1), g))


def test_the_cut_is_a_corner_and_each_filter_another() -> None:
    filters = equivariant_filters(5, 2.0, 2)
    assert (filters == 0).sum((1, 2)).tolist() == [4] * 4
    corners = filters[:, [0, -1, -1, 0], [0, 0, -1, -1]]  # counter-clockwise from the upper left
    assert torch.equal(corners == 0, torch.eye(4, dtype=torch.bool))
