"""ResNets of bottlenecks: torchvision's, their geometry under mirroring, and merging with their mirror images."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from learned_symmetry.flip_merge import COLUMNS, Merge, geometry, merged, row
from learned_symmetry.merge.average import averaged
from learned_symmetry.merge.matching import matched, moments
from learned_symmetry.merge.permute import assert_same, flipped, permuted
from learned_symmetry.merge.repair import goals, reset_norms, statistics, with_norms
from learned_symmetry.models import features, parameter_count, seeded
from learned_symmetry.models.bottleneck import BottleneckResNet, resnet50
from learned_symmetry.rng import generator

HOW = Merge(corr_eps=1e-4, repair_eps=1e-5)


def small(seed: int = 0, blocks: tuple[int, ...] = (2, 1, 1)) -> BottleneckResNet:
    """In float64, with batch norms that are not as they begin, ready to evaluate."""
    net = seeded(lambda: BottleneckResNet(blocks, width=4, classes=10, stem=3).double(), generator(seed, "net"))
    stream = generator(seed, "norms")
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for tensor in (part.weight, part.bias, part.running_mean):
                tensor.data += 0.3 * torch.randn(tensor.shape, generator=stream, dtype=tensor.dtype)
    return net.eval().requires_grad_(False)


def images(side: int = 33, n: int = 16) -> Tensor:
    return torch.randn(n, 3, side, side, generator=generator(0, "images"), dtype=torch.float64)


def test_resnet50_is_torchvisions() -> None:
    from torchvision.models import resnet50 as published

    theirs, ours = published().double().eval(), resnet50().double().eval()
    ours.load_state_dict(theirs.state_dict())
    assert parameter_count(ours) == 25_557_032
    x = images(65, 2)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-10)


def test_channels_name_every_convolution_and_norm_once_as_writer_and_every_reader_once() -> None:
    net = resnet50()
    groups = net.channels()
    assert len(groups) == 37
    writers = [name for group in groups for name in group.writers]
    readers = [name for group in groups for name in group.readers]
    parts = dict(net.named_modules())
    convolutions = [name for name, part in parts.items() if isinstance(part, torch.nn.Conv2d)]
    norms = [name for name, part in parts.items() if isinstance(part, torch.nn.BatchNorm2d)]
    assert sorted(writers) == sorted([*convolutions, *norms])
    assert sorted(readers) == sorted([*(name for name in convolutions if name != "conv1"), "fc"])


def test_random_relabelling_changes_nothing_and_is_found_again() -> None:
    net, x, stream = small(), images(), generator(0, "relabel")
    seen = features(net, x, [group.watched for group in net.channels()])
    orders = {g.watched: torch.randperm(seen[g.watched].shape[1], generator=stream) for g in net.channels()}
    other = permuted(net, net.channels(), orders)
    torch.testing.assert_close(other(x), net(x), rtol=1e-12, atol=1e-12)
    found = moments(net, other, x.split(8), net.channels())
    live = {layer: moment.variances()[0] > 0 for layer, moment in found.items()}
    for layer, order in matched(found, HOW.corr_eps).items():
        assert torch.equal(orders[layer][order][live[layer]], torch.arange(len(order))[live[layer]]), layer


def test_a_stream_that_is_permuted_in_one_block_only_is_noticed() -> None:
    net, x = small(), images()
    groups = [group for group in net.channels() if group.watched == "layer1.1"]
    assert "layer1.0.conv3" in groups[0].writers
    partial = [type(groups[0])("layer1.1", groups[0].writers[2:], groups[0].readers)]
    order = {"layer1.1": torch.arange(16).flip(0)}
    assert_same(net, permuted(net, groups, order), x)
    with pytest.raises(AssertionError, match="changed the network's outputs"):
        assert_same(net, permuted(net, partial, order), x)


@pytest.mark.parametrize(("side", "holds"), [(32, False), (33, True), (64, False), (65, True)])
def test_mirrored_filters_mirror_the_function_at_odd_sizes_only(side: int, holds: bool) -> None:
    """The geometry of 224 and 225 pixels: claim R16."""
    difference = geometry(small(), images(side, 4))
    assert difference < 1e-12 if holds else difference > 1e-3


def test_a_network_that_is_its_own_mirror_image_loses_nothing_halfway() -> None:
    net = small()
    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.weight.copy_((part.weight + part.weight.flip(-1)) / 2)
    x = images()
    made, order = merged(net, flipped(net), net.channels(), net.bottlenecks(), x.split(8), HOW)
    live = moments(net, net, x.split(8), net.channels())
    for layer, found in order.items():
        alive = live[layer].variances()[0] > 0
        assert torch.equal(found[alive], torch.arange(len(found))[alive])
    for column in ("halfway_accuracy_nopermute", "halfway_accuracy_nobnreset"):
        torch.testing.assert_close(made[column](x), net(x), rtol=1e-9, atol=1e-9)


def test_repair_gives_each_block_the_mean_of_its_endpoints_statistics() -> None:
    net, batches = small(), images(n=32).split(16)
    twin = permuted(flipped(net), net.channels(), {})
    blocks = net.bottlenecks()
    ends = [statistics(copy.deepcopy(end).train(), batches, blocks) for end in (net, twin)]
    wanted = goals(*ends)
    made = reset_norms(with_norms(averaged(net, twin), wanted, HOW.repair_eps), batches)
    found = statistics(made.train(), batches, blocks)  # in training mode: exactly those of each batch
    for block in blocks:
        live = ends[0][block].std > 0.05
        torch.testing.assert_close(found[block].mean[live], wanted[block].mean[live], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found[block].std[live], wanted[block].std[live], rtol=0.02, atol=1e-6)


def test_a_row_reports_equation_4() -> None:
    given = {"accuracy": 0.8, "flip_accuracy": 0.7, "halfway_accuracy_norepair": 0.6, "halfway_accuracy": 0.66}
    told, _ = row(small(), images().split(8), lambda networks: {name: given.get(name, 0.0) for name in networks}, HOW)
    assert told.keys() == set(COLUMNS)
    assert told["gcnn_barrier_norepair"] == pytest.approx((0.75 - 0.6) / 0.75)
    assert told["gcnn_barrier"] == pytest.approx((0.75 - 0.66) / 0.75)
    assert told["invariance_error"] > 0
