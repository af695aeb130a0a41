"""VGG11 of Bökman and Kahl 2023: sizes, symmetry by construction, and the identities that flipping filters obeys."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from learned_symmetry import models
from learned_symmetry.groups import Flip
from learned_symmetry.merge.permute import flipped
from learned_symmetry.models import features, parameter_count, seeded
from learned_symmetry.models.vgg import LAYERS, VGG11, FlipConv, plain
from learned_symmetry.rng import generator

WIDTH, FLIP = 4, Flip()


def network(equivariant: int = 0, width: int = WIDTH) -> VGG11:
    return seeded(lambda: VGG11(width, equivariant).double(), generator(0, "vgg")).eval()


def images(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 3, 32, 32, generator=generator(0, "images"), dtype=torch.float64)


@pytest.mark.parametrize(("equivariant", "count"), [(0, 9_225_610), (LAYERS, 4_612_810), (2, 9_187_786)])
def test_parameter_counts_of_the_paper(equivariant: int, count: int) -> None:
    with torch.device("meta"):
        assert parameter_count(VGG11(64, equivariant)) == count


def test_forward_is_eight_convolutions_with_relu_and_five_poolings() -> None:
    net, x = network(), images()
    h = x
    for number in range(LAYERS):
        weight, bias = net.layers[number][0].weight, net.layers[number][0].bias
        h = F.conv2d(h, weight, bias, padding=1).clamp(min=0)
        if number + 1 in (1, 2, 4, 6, 8):
            h = F.max_pool2d(h, 2)
    assert h.shape == (5, 8 * WIDTH, 1, 1)
    torch.testing.assert_close(net(x), h.flatten(1) @ net.head.weight.T + net.head.bias, rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [8, 16])
def test_a_smaller_image_is_pooled_until_one_pixel_is_left_and_flipping_stays_exact(size: int) -> None:
    net, x = network(), images()[..., :size, :size]
    maps = features(net, x, [f"layers.{number}" for number in range(LAYERS)])
    sides = [maps[f"layers.{number}"].shape[-1] for number in range(LAYERS)]
    assert sides == [max(side * size // 32, 1) for side in (32, 16, 8, 8, 4, 4, 2, 2)]
    torch.testing.assert_close(flipped(net)(x), net(FLIP.act(x, 1)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("equivariant", [2, LAYERS])
def test_pairs_swap_where_the_input_is_mirrored(equivariant: int) -> None:
    net, x, layers = network(equivariant), images(), [f"layers.{k}" for k in range(equivariant)]
    still, moved = features(net, x, layers), features(net, FLIP.act(x, 1), layers)
    for layer in layers:
        swapped = FLIP.act(still[layer], 1).roll(still[layer].shape[1] // 2, 1)
        torch.testing.assert_close(moved[layer], swapped, rtol=1e-12, atol=1e-14)
    assert torch.allclose(moved["logits"], still["logits"], rtol=1e-12, atol=1e-14) == (equivariant == LAYERS)


def test_a_regular_kernel_satisfies_the_constraint_exactly() -> None:
    convolution = FlipConv(6, 8, paired=True)
    kernel = convolution.kernel()
    assert torch.equal(FLIP.act(kernel, 1), kernel.roll(4, 0).roll(3, 1))
    assert torch.equal(kernel[4:, :3], convolution.weight[:, 3:].flip(-1)), "second half is [flipped B, flipped A]"


@pytest.mark.parametrize("equivariant", [0, 2, LAYERS])
def test_written_out_it_is_the_same_function_of_a_plain_network(equivariant: int) -> None:
    net, x = network(equivariant), images()
    made = plain(net)
    assert all(type(part) is not FlipConv for part in made.modules())
    assert not made.training
    torch.testing.assert_close(made(x), net(x), rtol=1e-12, atol=1e-14)
    gap = (plain(net.float())(x.float()) - net(x.float())).abs().max() / net(x.float()).abs().max()
    assert gap < 1e-5


def test_free_kernels_start_like_a_plain_layer_of_the_same_fan_in() -> None:
    for paired in (False, True):
        bound = 1 / (24 * 9) ** 0.5
        largest = FlipConv(24, 64, paired=paired).weight.abs().max()
        assert 0.95 * bound < largest <= bound


def test_flipped_filters_see_the_mirrored_image_exactly_at_32_pixels() -> None:
    """All five poolings see even widths and all convolutions have stride 1: protocol 2.1."""
    net, x = network(), images()
    torch.testing.assert_close(flipped(net)(x), net(FLIP.act(x, 1)), rtol=1e-12, atol=1e-14)


def test_a_convolution_that_makes_its_kernels_is_not_flipped() -> None:
    with pytest.raises(TypeError, match=r"layers\.0\.0 is a FlipConv"):
        flipped(network(LAYERS))


def test_flipping_twice_is_the_identity_and_leaves_the_original() -> None:
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    twice = flipped(flipped(net)).state_dict()
    assert all(torch.equal(twice[name], before[name]) for name in before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_training_commutes_with_flipping() -> None:
    """Section 3: from flipped filters and on mirrored images, SGD finds the flipped network."""
    y = torch.arange(5)
    trained = []
    for net, x in ((network(), images()), (flipped(network()), FLIP.act(images(), 1))):
        optimiser = torch.optim.SGD(net.train().parameters(), lr=0.5, momentum=0.9, weight_decay=5e-4)
        for _ in range(3):
            optimiser.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimiser.step()
        trained.append(net)
    wanted = flipped(trained[0]).state_dict()
    for name, tensor in trained[1].state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], rtol=1e-12, atol=1e-14)
    start = network().state_dict()
    assert not torch.allclose(start["head.weight"], trained[0].head.weight)


def test_convolutions_are_seen_by_the_engine() -> None:
    """It stacks no convolutions on a CPU, and knows them by their class."""
    assert isinstance(network(LAYERS).layers[0][0], nn.modules.conv._ConvNd)
    assert models.parameter_count(network(LAYERS, 8)) < models.parameter_count(network(0, 8)) / 1.9
