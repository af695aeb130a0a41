"""The classifiers of Huang et al. 2024: parameter counts, shapes, and which of them see how an image was moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.cloning.clone import Clone, ClonedConv, freeze
from learned_symmetry.cloning.training import layers, sizes
from learned_symmetry.models import parameter_count, seeded
from learned_symmetry.models.classifier import Convolutional, Dense, convolutional, true_layer
from learned_symmetry.rng import generator


def test_parameter_counts() -> None:
    """Protocol 2.3."""
    assert parameter_count(Dense([784, 256, 256, 512, 512, 256, 128, 10])) == 826_506
    assert parameter_count(Dense([784, 256, 512, 1024, 1024, 512, 256, 20])) == 2_568_724
    for classes, gcnn, cloned in ((10, 37_720, 26_910), (20, 38_230, 27_420)):
        assert (
            parameter_count(convolutional("c4", (10, 20, 20, 20), "mean", 50, 0.5, classes, true_layer("c4"))) == gcnn
        )
        clones = [Clone(layer, size, 9) for layer, size in layers("c4", 28)]
        assert sum(map(parameter_count, clones)) == 8_480_916
        unfrozen = made_of("c4", clones, classes)
        assert parameter_count(unfrozen) == cloned + 8_480_916
        for clone in clones:
            freeze(clone)
        assert parameter_count(unfrozen) == cloned


def made_of(group: str, clones: list[Clone], classes: int = 10) -> Convolutional:
    return convolutional(group, (10, 10, 20, 20), "mean", 50, 0.5, classes, lambda n, i, o: ClonedConv(clones[n], i, o))


@pytest.mark.parametrize("group", ["t2", "c4"])
def test_clones_take_the_place_of_the_layers(group: str) -> None:
    network = made_of(group, [Clone(layer, size, 7) for layer, size in layers(group, 16)])
    assert network(torch.rand(3, 1, 16, 16)).shape == (3, 10)


def test_sizes_of_the_four_maps() -> None:
    assert sizes(28) == (28, 26, 12, 10)
    assert sizes(40) == (40, 38, 18, 16)
    with pytest.raises(ValueError, match="too small"):
        sizes(15)


def test_the_cnn_that_takes_the_largest_is_invariant_to_the_shifts_of_its_pooling(randn: Callable[..., Tensor]) -> None:
    """Of a digit that stays far from the borders, by two pixels, where the mean needs four, which is both poolings."""
    x = F.pad(randn(2, 1, 6, 6), (25,) * 4)
    for over, shift in (("max", 2), ("mean", 4)):
        network = convolutional("t2", (2, 3, 3, 3), over, 5, 0.5, 10, true_layer("t2")).double().eval()
        torch.testing.assert_close(network(x.roll((shift, -shift), (2, 3))), network(x))
        assert (network(x.roll(1, 2)) - network(x)).abs().max() > 1e-6


def test_the_gcnn_is_invariant_to_quarter_turns_and_the_mlp_is_not(randn: Callable[..., Tensor]) -> None:
    def build(make: Callable[[], nn.Module]) -> nn.Module:
        return seeded(make, generator(0, "network")).double().eval()

    gcnn = build(lambda: convolutional("c4", (2, 3, 3, 3), "mean", 5, 0.5, 10, true_layer("c4")))
    mlp, x = build(lambda: Dense([784, 8, 10])), randn(2, 1, 28, 28)
    torch.testing.assert_close(gcnn(x.rot90(1, (-2, -1))), gcnn(x))
    assert (mlp(x.rot90(1, (-2, -1))) - mlp(x)).abs().max() > 0.01
