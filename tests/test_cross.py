"""The cross-examination's own parts on known answers: its measures, and the layouts by which CNNs are merged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from learned_symmetry import cross
from learned_symmetry.flip_merge import Merge, merged
from learned_symmetry.groups import DiagonalShifts, Flip, Group, QuarterTurns
from learned_symmetry.measure.accuracy_ratio import orbit_accuracy
from learned_symmetry.measure.distribution_invariance import distribution_invariance
from learned_symmetry.measure.equivariance import Similarity
from learned_symmetry.measure.logit_invariance import logit_invariance
from learned_symmetry.measure.relative_invariance import relative_invariance
from learned_symmetry.measure.saliency import Recipe, map_similarity
from learned_symmetry.merge.layouts import Layout, layout
from learned_symmetry.merge.permute import flipped, moved, permuted
from learned_symmetry.models import seeded
from learned_symmetry.models.cnn7 import CNN7
from learned_symmetry.models.gcnn import LiftingConv, P4Conv
from learned_symmetry.models.residual import ResNetCIFAR, WideResNet
from learned_symmetry.rng import generator

HOW = Merge(corr_eps=1e-4, repair_eps=1e-5)
BUILDS = {
    "cnn7": lambda: CNN7(6, channels=5),
    "resnet": lambda: ResNetCIFAR(2, 4),
    "wide1": lambda: WideResNet(1, 2, 4),  # its first stage has no shortcut with weights
    "wide2": lambda: WideResNet(2, 2, 3),
}


def network(name: str) -> nn.Module:
    """In float64, with the norms of some images, so that no channel is dead."""
    made = seeded(BUILDS[name], generator(0, name)).double()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    made(images(name, 16))
    return made.eval().requires_grad_(False)


def images(name: str, n: int = 12) -> torch.Tensor:
    shape = (1, 28, 28) if name == "cnn7" else (3, 32, 32)
    return torch.randn(n, *shape, generator=generator(1, "images"), dtype=torch.float64)


def relabelled(found: Layout) -> nn.Module:
    """With every channel in another place."""
    probe = {}
    for group in found.channels:
        count = len(found.network.get_parameter(f"{group.writers[0]}.weight"))
        probe[group.watched] = torch.arange(count).roll(1)
    return permuted(found.network, found.channels, probe)


@pytest.mark.parametrize("name", BUILDS)
class TestLayout:
    def test_is_the_same_function_whatever_the_order_of_its_channels(self, name: str) -> None:
        net, x = network(name), images(name)
        found, before = layout(net), net(x)
        torch.testing.assert_close(found.network(x), before, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(relabelled(found)(x), before, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(net(x), before, rtol=0, atol=0)  # it stays as it was

    def test_every_channel_is_relabelled(self, name: str) -> None:
        found = layout(network(name))
        other = relabelled(found)
        for layer, part in found.network.named_modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                assert not torch.equal(part.weight, other.get_submodule(layer).weight), layer

    def test_a_relabelled_copy_is_merged_without_loss(self, name: str) -> None:
        net, x = network(name), images(name)
        found = layout(net)
        with torch.no_grad():
            made, _ = merged(found.network, relabelled(found), found.channels, found.repaired, x.split(6), HOW)
        torch.testing.assert_close(made["halfway_accuracy_nobnreset"](x), net(x), rtol=1e-8, atol=1e-8)
        assert (made["halfway_accuracy_nopermute"](x) - net(x)).abs().max() > 1e-3


class TestMovedFilters:
    def test_a_quarter_turn_turns_a_padded_cnn(self) -> None:
        net, x, turns = network("cnn7"), images("cnn7"), QuarterTurns()
        for g in range(turns.order):
            torch.testing.assert_close(moved(net, turns, g)(turns.act(x, g)), net(x), rtol=1e-9, atol=1e-9)

    def test_a_flip_is_flipped(self) -> None:
        one, other = moved(network("resnet"), Flip(), 1), flipped(network("resnet"))
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("group", [Flip(), QuarterTurns()])
def test_one_pass_of_the_orbit_gives_what_the_measures_give_one_by_one(group: Group) -> None:
    net, x = network("resnet"), images("resnet", 7)
    y = torch.arange(7)
    found = cross.over_orbit(net, x, y, group)
    assert found["still"] == pytest.approx((net(x).argmax(-1) == y).double().mean().item())
    assert found["moved"] == pytest.approx(orbit_accuracy(net, x, y, group))
    assert found["li"] == pytest.approx(logit_invariance(net, x, group))
    assert found["di"] == pytest.approx(distribution_invariance(net, x, group))
    assert found["relative"] == pytest.approx(relative_invariance(net, x, group))


class _Stack(nn.Sequential):
    """Layers by name, pooled to logits."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).flatten(2).mean(-1)


def _layerwise(net: nn.Module, x: torch.Tensor, moves: Group | DiagonalShifts) -> dict[str, float]:
    subject = cross.Subject([net], x, torch.zeros(len(x)).long(), {"0": 1, "1": 1})
    return cross.layerwise(net, x, moves, subject, Similarity(1e-8))


def test_a_map_of_one_position_is_correlated_over_images() -> None:
    assert cross.maps(torch.ones(5, 3, 1, 1)).shape == (5, 3)
    assert cross.maps(torch.ones(5, 3, 4, 2, 2)).shape == (5, 12, 2, 2)
    assert cross.maps(torch.ones(5, 3)).shape == (5, 3)
    net = seeded(lambda: _Stack(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 7)), generator(0, "one")).requires_grad_(False)
    net[0].weight.copy_((net[0].weight + net[0].weight.flip(-1)) / 2)
    net[1].weight.copy_((net[1].weight + net[1].weight.flip(-1)) / 2)
    found = _layerwise(net, torch.randn(9, 1, 9, 9, generator=generator(0, "x")), Flip())
    assert found["inv_late"] == pytest.approx(1, abs=1e-5)


def test_layers_of_a_p4_network_are_equivariant_and_not_invariant() -> None:
    net = seeded(lambda: _Stack(LiftingConv(1, 2, 3), P4Conv(2, 3, 3)), generator(0, "p4")).requires_grad_(False)
    found = _layerwise(net, torch.randn(5, 1, 9, 9, generator=generator(0, "x")), QuarterTurns())
    for part in ("eqv", "eqv_early", "eqv_late"):
        assert found[part] == pytest.approx(1, abs=1e-5)
    assert found["inv"] < 0.9


def test_layers_of_a_convolutional_network_move_with_the_image_where_nothing_is_lost() -> None:
    net = seeded(lambda: _Stack(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3)), generator(0, "t2")).requires_grad_(False)
    x = torch.zeros(4, 1, 16, 16)
    x[..., 5:9, 5:9] = torch.randn(4, 1, 4, 4, generator=generator(0, "x"))
    found = _layerwise(net, x, DiagonalShifts(2))
    assert found["inv"] == pytest.approx(1, abs=1e-5)
    assert found["inv_late"] == pytest.approx(1, abs=1e-5)


def test_saliency_of_two_networks_is_alike_where_they_read_the_same_pixels() -> None:
    def reads(*pixels: int) -> nn.Module:
        linear = nn.Linear(16, 2, bias=False)
        linear.weight.data.zero_()
        linear.weight.data[:, list(pixels)] = 1.0
        return nn.Sequential(nn.Flatten(), linear)

    x, recipe = torch.ones(3, 1, 4, 4), Recipe(steps=2, size=1)
    assert map_similarity(reads(5), reads(5), x, recipe=recipe) == pytest.approx(1)
    assert map_similarity(reads(5), reads(10), x, recipe=recipe) == pytest.approx(0)
    assert map_similarity(reads(5), reads(5, 10), x, recipe=recipe) == pytest.approx(2**-0.5)


def test_black_may_differ_by_channel() -> None:
    net, x = network("resnet").float(), images("resnet", 3).float()
    same = Recipe(steps=3, baseline=torch.full((1, 3, 1, 1), -0.5))
    other = Recipe(steps=3, baseline=torch.tensor([-0.5, 0.5, 0.0]).view(1, 3, 1, 1))
    assert map_similarity(net, net, x, recipe=same) == pytest.approx(1, abs=1e-5)
    from learned_symmetry.measure.saliency import integrated_gradients

    labels = torch.zeros(3).long()
    found = [integrated_gradients(net, x, labels, r) for r in (Recipe(steps=3, baseline=-0.5), same, other)]
    torch.testing.assert_close(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 1e-4
