"""Merging: planted symmetries are found, functions survive relabelling, REPAIR restores what averaging loses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learned_symmetry.groups import Flip
from learned_symmetry.merge.average import absolute_barrier, averaged, relative_barrier
from learned_symmetry.merge.channels import Channels
from learned_symmetry.merge.matching import Moments, assignment, matched, moments
from learned_symmetry.merge.permute import assert_same, cycle_lengths, flipped, permuted
from learned_symmetry.merge.repair import Statistics, goals, repaired, reset_norms, statistics, with_norms
from learned_symmetry.models import features, seeded
from learned_symmetry.models.vgg import LAYERS, VGG11, plain
from learned_symmetry.rng import generator

WIDTH, EPS = 4, 1e-4
CONVOLUTIONS = VGG11.convolutions()


def network(seed: int = 0, equivariant: int = 0) -> VGG11:
    return seeded(lambda: VGG11(WIDTH, equivariant).double(), generator(seed, "vgg")).eval().requires_grad_(False)


def images(n: int = 24) -> Tensor:
    return torch.randn(n, 3, 32, 32, generator=generator(0, "images"), dtype=torch.float64)


def enlivened(net: VGG11, x: Tensor, swaps: Sequence[Tensor] | None = None) -> VGG11:
    """Kernels scaled up and biases shifted so that every channel is on for half of the samples of x and its mirror."""
    both = torch.cat([x, x.flip(-1)])
    for number in range(LAYERS):
        convolution = net.layers[number][0]
        convolution.weight.mul_(3)
        seen = features(net, both, [CONVOLUTIONS[number]])[CONVOLUTIONS[number]]
        middle = seen.transpose(0, 1).flatten(1).median(1).values
        if swaps is not None:  # to the last bit the same within a pair
            middle = (middle + middle[swaps[number]]) / 2
        convolution.bias.sub_(middle)
    return net


def involution(size: int, fixed: int, stream: torch.Generator) -> Tensor:
    """A random permutation that is its own inverse, with `fixed` fixed points; the others in pairs."""
    places, order = torch.randperm(size, generator=stream), torch.arange(size)
    pairs = places[fixed:].view(2, -1)
    order[pairs[0]], order[pairs[1]] = pairs[1].clone(), pairs[0].clone()
    return order


def planted(fixed: int, x: Tensor) -> tuple[VGG11, list[Tensor]]:
    """A network that is flip-equivariant layer by layer, with this many invariant channels a layer, and its swaps."""
    net, stream, before, swaps = network(), generator(0, "planted"), torch.arange(3), []
    for convolution, _ in net.layers:
        swap = involution(convolution.out_channels, fixed, stream)
        twin = Flip().act(convolution.weight, 1)[swap][:, before]
        convolution.weight.copy_((convolution.weight + twin) / 2)
        convolution.bias.copy_((convolution.bias + convolution.bias[swap]) / 2)
        swaps.append(swap)
        before = swap
    net.head.weight.copy_((net.head.weight + net.head.weight[:, before]) / 2)
    return enlivened(net, x, swaps), swaps


def channels() -> list[Channels]:
    return network().channels()


def relabellings(net: VGG11) -> dict[str, Tensor]:
    stream = generator(0, "relabel")
    return {f"layers.{k}": torch.randperm(net.layers[k][0].out_channels, generator=stream) for k in range(LAYERS)}


def match(first: nn.Module, second: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return matched(moments(first, second, x.split(8), channels()), EPS)


# ---- matching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [0, 2])
def test_a_planted_symmetry_is_recovered_and_the_merged_network_is_the_network(fixed: int) -> None:
    x = images()
    net, swaps = planted(fixed, x)
    found = match(net, flipped(net), x)
    for number, swap in enumerate(swaps):
        order = found[f"layers.{number}"]
        assert torch.equal(order, swap)
        lengths = cycle_lengths(order)
        assert (lengths == 1).sum() == fixed
        assert (lengths == 2).sum() == len(order) - fixed
    twin = permuted(flipped(net), channels(), found)
    for name, tensor in averaged(net, twin).state_dict().items():
        torch.testing.assert_close(tensor, net.state_dict()[name], rtol=1e-12, atol=1e-14)


def test_longer_cycles_come_from_dead_channels_only_and_every_live_channel_is_recovered() -> None:
    x = images()
    net, swaps = planted(0, x)
    dead = {3: torch.cat([torch.arange(4), swaps[3][:4]]).unique(), 6: torch.cat([torch.tensor([0]), swaps[6][:1]])}
    for number, places in dead.items():
        net.layers[number][0].bias[places] = -1e6
    seen = moments(net, flipped(net), x.split(8), channels())
    found = matched(seen, EPS)
    for number, swap in enumerate(swaps):
        live = seen[f"layers.{number}"].variances()[0] > 0
        assert not live[dead.get(number, [])].any()
        assert live.sum() >= len(swap) / 2
        assert torch.equal(found[f"layers.{number}"][live], swap[live])
        assert (cycle_lengths(found[f"layers.{number}"])[live] == 2).all()


def test_a_merged_gcnn_is_itself() -> None:
    x = images()
    net = enlivened(plain(network(equivariant=LAYERS)), x)
    twin = permuted(flipped(net), channels(), match(net, flipped(net), x))
    torch.testing.assert_close(averaged(net, twin)(x), net(x), rtol=1e-9, atol=1e-12)


def test_relabelled_channels_of_another_network_are_found_again() -> None:
    x, net = images(), enlivened(network(), images())
    relabelling = relabellings(net)
    other = permuted(net, channels(), relabelling)
    found = match(net, other, x)
    for layer, order in found.items():
        assert torch.equal(relabelling[layer][order], torch.arange(len(order)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_one_pass_gives_the_correlations_of_whole_activations(dtype: torch.dtype, tolerance: float) -> None:
    """Against NumPy on all samples of a layer at once."""
    x, nets = images().to(dtype), [enlivened(network(seed), images()).to(dtype) for seed in (0, 1)]
    found = moments(*nets, x.split(7), channels())
    for layer in ("layers.0", "layers.4", "layers.7"):
        a, b = (features(net, x, [layer])[layer].transpose(0, 1).flatten(1).double().numpy() for net in nets)
        c, std = len(a), np.outer(a.std(1), b.std(1))
        wanted = np.corrcoef(a, b)[:c, c:] * std / (std + EPS)
        np.testing.assert_allclose(found[layer].correlation(EPS).numpy(), wanted, rtol=0, atol=tolerance)


def test_a_dead_channel_correlates_with_nothing() -> None:
    zero = torch.zeros(2, dtype=torch.float64)
    moment = Moments(4, (zero, zero), (zero, zero), torch.zeros(2, 2, dtype=torch.float64))
    assert moment.correlation(0.0).eq(0).all()


def test_assignment_maximises_the_sum() -> None:
    correlation = torch.tensor([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0], [0.0, 0.3, 0.2]])
    assert assignment(correlation).tolist() == [1, 0, 2], "greedily it would be 0.9 + 0.1 + 0.2"


# ---- permuting -----------------------------------------------------------------------------------------------------


def test_relabelling_leaves_the_function_and_the_original_as_they_were() -> None:
    net, x = network(), images(3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    orders = relabellings(net)
    made = permuted(net, channels(), orders)
    torch.testing.assert_close(made(x), net(x), rtol=1e-12, atol=1e-14)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(made.layers[2][0].bias, net.layers[2][0].bias[orders["layers.2"]])
    assert_same(net, made, x, 1e-12)


def test_a_reader_that_was_forgotten_is_noticed() -> None:
    net, x = network(), images(3)
    wrong = [Channels("layers.0", ("layers.0.0",), ())]
    with pytest.raises(AssertionError, match="relabelling channels changed"):
        assert_same(net, permuted(net, wrong, {"layers.0": torch.tensor([1, 0, 2, 3])}), x)


def test_batch_norms_and_a_shared_stream_are_relabelled_together() -> None:
    """Two convolutions that add into one stream, as in a residual network."""

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.inner, self.out = (nn.Conv2d(*sizes, 3, padding=1) for sizes in ((3, 6), (6, 4), (4, 6)))
            self.norm, self.last, self.head = nn.BatchNorm2d(6), nn.BatchNorm2d(4), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = self.norm(self.stem(x)).relu()
            return self.head((h + self.out(self.last(self.inner(h)).relu())).relu().mean((-2, -1)))

    net, x = seeded(lambda: Residual().double(), generator(0, "residual")).requires_grad_(False), images()
    for norm in (net.norm, net.last):
        norm.weight.uniform_(0.5, 1.5, generator=generator(0, "norm"))
        norm.bias.uniform_(-0.5, 0.5, generator=generator(1, "norm"))
    net = reset_norms(net, x.split(8))
    spec = [Channels("norm", ("stem", "norm", "out"), ("inner", "head")), Channels("last", ("inner", "last"), ("out",))]
    stream = generator(0, "relabel")
    orders = {"norm": torch.randperm(6, generator=stream), "last": torch.randperm(4, generator=stream)}
    assert_same(net, permuted(net, spec, orders), x, 1e-12)
    with pytest.raises(AssertionError):
        assert_same(net, permuted(net, [Channels("norm", ("stem", "norm"), ("inner", "head")), spec[1]], orders), x)


def test_cycle_lengths_of_a_permutation() -> None:
    assert cycle_lengths(torch.tensor([0, 2, 1, 4, 5, 3])).tolist() == [1, 2, 2, 3, 3, 3]


# ---- averaging, barriers -------------------------------------------------------------------------------------------


def test_the_average_is_of_every_tensor_but_the_counts() -> None:
    one, other = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    one.running_mean.fill_(1.0)
    other.running_mean.fill_(3.0)
    other.num_batches_tracked.fill_(7)
    made = averaged(one, other)
    assert made.running_mean.tolist() == [2.0, 2.0]
    assert made.num_batches_tracked.item() == 0
    assert averaged(one, other, 0.25).running_mean.tolist() == [1.5, 1.5]
    assert one.running_mean.tolist() == [1.0, 1.0]


def test_barriers_of_the_paper_s_own_numbers() -> None:
    """Table 3, Torchvision old: 0.761, 0.746, 0.725 -> 0.0384; in section 4.2 the absolute one is 0.029."""
    assert relative_barrier(0.761, 0.746, 0.725) == pytest.approx(0.0384, abs=1e-3)
    assert absolute_barrier(0.761, 0.746, 0.725) == pytest.approx(0.029, abs=1e-3)


# ---- REPAIR --------------------------------------------------------------------------------------------------------


def test_repair_restores_the_statistics_of_the_endpoints() -> None:
    first, second, x = enlivened(network(0), images()), enlivened(network(1), images()), [images(64)]
    merged = averaged(first, second)
    wanted = goals(*(statistics(end, x, CONVOLUTIONS) for end in (first, second)))
    lost = statistics(merged, x, CONVOLUTIONS)
    assert lost["layers.7.0"].std.mean() < 0.5 * wanted["layers.7.0"].std.mean(), "the variance collapses"
    made = repaired(merged, wanted, x, eps=1e-9)
    assert made.state_dict().keys() == merged.state_dict().keys()
    found = statistics(made, x, CONVOLUTIONS)
    for layer, goal in wanted.items():
        torch.testing.assert_close(found[layer].std, goal.std, rtol=0.01, atol=0)
        torch.testing.assert_close(found[layer].mean, goal.mean, rtol=0, atol=0.02 * goal.std.mean().item())


def test_repair_of_equal_endpoints_changes_nothing() -> None:
    net, x = enlivened(network(), images()), [images(64)]
    own = statistics(net, x, CONVOLUTIONS)
    made = repaired(averaged(net, net), goals(own, own), x, eps=1e-9)
    torch.testing.assert_close(made(x[0]), net(x[0]), rtol=0.01, atol=0.01 * net(x[0]).abs().max().item())


def test_fusing_keeps_the_function() -> None:
    first, second, x = enlivened(network(0), images()), enlivened(network(1), images()), [images()]
    wanted = goals(*(statistics(end, x, CONVOLUTIONS) for end in (first, second)))
    loose = reset_norms(with_norms(averaged(first, second), wanted, 1e-5), x)
    made = repaired(averaged(first, second), wanted, x, 1e-5)
    torch.testing.assert_close(made(x[0]), loose(x[0]), rtol=1e-9, atol=1e-12)


def test_goals_lie_between_the_endpoints() -> None:
    one, other = (Statistics(torch.tensor([mean]), torch.tensor([std])) for mean, std in ((0.0, 1.0), (4.0, 3.0)))
    made = goals({"a": one}, {"a": other}, 0.25)["a"]
    assert (made.mean.item(), made.std.item()) == (1.0, 1.5)


def test_statistics_average_over_batches() -> None:
    x = images(8)
    found = statistics(nn.Sequential(nn.Identity()), x.split(4), ["0"])["0"]
    rows = [part.transpose(0, 1).flatten(1) for part in x.split(4)]
    torch.testing.assert_close(found.mean, sum(r.mean(1) for r in rows) / 2)
    torch.testing.assert_close(found.std, (sum(r.var(1) for r in rows) / 2).sqrt())


def test_reset_norms_average_over_batches_and_keep_their_momentum() -> None:
    norm, x = nn.BatchNorm2d(3).double(), images(8)
    net = reset_norms(nn.Sequential(norm), x.split(4))
    wanted = sum(part.transpose(0, 1).flatten(1).var(1) for part in x.split(4)) / 2
    torch.testing.assert_close(norm.running_var, wanted)
    assert norm.momentum == 0.1
    assert not net.training
