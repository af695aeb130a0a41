"""Mixers that clone convolutions: their size, their inputs, the layers they learn, and what is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.cloning.mixer import (
    MixerErrors,
    MixerLoss,
    Target,
    basis,
    mixer,
    true_layer,
    untrained,
)
from learned_symmetry.config.huang2024 import Measured
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.models import Network, parameter_count
from learned_symmetry.models.mixer import POSITION, positions
from learned_symmetry.rng import generator
from stages.huang2024.mixer import maps, moved

MEASURED = Measured(images=3, kernels=4, shifts=[1, 2])
each_target = pytest.mark.parametrize("target", ["t2", "so2"])


def test_the_mixer_that_clones_a_convolution_has_the_codes_number_of_parameters() -> None:
    assert parameter_count(mixer("t2", 4, 7, 0)) == 228_636  # protocol 2.5


def test_positions_are_coordinates_and_their_waves() -> None:
    found = positions(5)
    assert found.shape == (25, POSITION)
    down, right = found[7, :2].tolist()  # row 1, column 2
    assert (down, right) == (-0.5, 0.0)
    bands = [1.0, 1.5, 2.0, 2.5]
    torch.testing.assert_close(found[7, 2:6], torch.tensor([math.sin(-math.pi * b / 2) for b in bands]))
    torch.testing.assert_close(found[7, 10:14], torch.tensor([math.cos(-math.pi * b / 2) for b in bands]))
    assert torch.equal(found[7, 14:], torch.ones(4))


def test_the_true_layer_of_t2_is_conv2d(randn: Callable[..., Tensor]) -> None:
    x, c = randn(2, 3, 4, 7, 7), randn(2, 9, 16)
    for kernel, images, found in zip(c, x, true_layer("t2", x, c), strict=True):
        torch.testing.assert_close(found, F.conv2d(images, kernel.mT.reshape(4, 4, 3, 3)))


def test_the_true_layer_of_so2_is_escnns(randn: Callable[..., Tensor], escnn: ModuleType) -> None:
    plane = escnn.gspaces.rot2dOnR2(N=-1)
    fields = escnn.nn.FieldType(plane, 4 * [plane.trivial_repr])
    theirs = escnn.nn.R2Conv(fields, fields, 5, bias=False).double()
    c = randn(3, 16)
    theirs.weights.data.copy_(c.mT.flatten())  # of each channel pair its three rings
    x = randn(2, 4, 7, 7)
    found = theirs(escnn.nn.GeometricTensor(x, fields)).tensor
    filters = basis("so2").unflatten(1, (5, 5))
    assert torch.allclose(filters, filters.rot90(1, (1, 2)))
    torch.testing.assert_close(true_layer("so2", x, c), found, rtol=0, atol=1e-5)


@each_target
def test_each_image_is_seen_under_its_kernel_alone(target: Target, randn: Callable[..., Tensor]) -> None:
    network, entries = mixer(target, 2, 7, 0).double(), len(basis(target))
    x, c = randn(3, 2, 2, 7, 7), randn(3, entries, 4)
    found = network(x, c)
    assert found.shape == true_layer(target, x, c).shape
    for number in range(3):
        alone = network(x[number, 1:], c[number])
        torch.testing.assert_close(found[number, 1:], alone, rtol=0, atol=1e-12)
    assert not torch.allclose(network(x, c.roll(1, 0)), found)


@each_target
def test_the_loss_is_the_mean_squared_error(target: Target) -> None:
    objective, network = MixerLoss(target, 2, 6, kernels=3, device="cpu"), mixer(target, 2, 6, 0)
    batch = objective.draw(generator(0, "draw"), 4)
    assert batch["x"].shape == (3, 4, 2, 6, 6)
    found = objective.losses(Network(network, dict(network.named_parameters())), batch)["total"]
    true = true_layer(target, batch["x"], batch["c"])
    torch.testing.assert_close(found, (network(batch["x"], batch["c"]) - true).square().mean())


@each_target
def test_true_layers_have_no_errors_and_untrained_ones_have(target: Target) -> None:
    errors = MixerErrors(target, 2, 6, MEASURED)

    class Exact(nn.Module):
        def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
            return true_layer(target, x, kernels)

    assert errors.of_mixer(Exact()) == pytest.approx({"relative_error": 0, "equivariance_error": 0}, abs=1e-10)
    assert errors.equivariance(untrained(target, 6, 0))["equivariance_error"] > 1
    assert errors.of_mixer(mixer(target, 2, 6, 0))["relative_error"] == pytest.approx(1, abs=0.3)


def test_the_figures_glyph_moves_whole() -> None:
    still, right, both = moved("t2", 7)
    assert torch.equal(still.roll(4, 1), right)
    assert torch.equal(still.roll((3, 4), (0, 1)), both)
    turned = moved("so2", 7)
    assert torch.equal(QuarterTurns().act(turned[0], 2), turned[2])
    shown = maps("t2", 2, 7, mixer("t2", 2, 7, 0))
    assert {title: torch.tensor(column).shape for title, column in shown.items()} == {
        "input": (3, 7, 7),
        **dict.fromkeys(("true layer", "mixer", "untrained"), (3, 5, 5)),
    }
