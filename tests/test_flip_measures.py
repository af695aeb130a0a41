"""The invariance loss, the relative invariance error and the measures of mirrored filters, on known answers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from learned_symmetry.groups import Flip
from learned_symmetry.invariance_loss import FlipInvariance, norm
from learned_symmetry.measure.mirrored_filters import (
    kernel_residual,
    matched_twin,
    order_counts,
    order_shares,
    zero_filters,
)
from learned_symmetry.measure.relative_invariance import relative_invariance
from learned_symmetry.models import Network
from learned_symmetry.models.vgg import LAYERS, VGG11, FlipConv
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.precision import ieee_float32
from learned_symmetry.rng import generator


def images(n: int = 6, size: int = 32) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=generator(0, "images"))


def losses(module: nn.Module, objective: CrossEntropy, x: torch.Tensor) -> dict[str, torch.Tensor]:
    y = torch.arange(len(x)) % 2
    return objective.losses(Network(module, dict(module.named_parameters())), {"x": x, "y": y})


class TestInvarianceLoss:
    def test_is_cross_entropy_and_the_unsquared_distance_by_hand(self) -> None:
        """One linear layer on rows of two pixels: mirroring swaps its columns."""
        module = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
        module[1].weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
        x = torch.tensor([[[[1.0, 0.0]]], [[[2.0, 2.0]]]])
        found = losses(module, FlipInvariance(weight=0.5), x)
        # logits (3, 0) and (0, 4) of the mirrored one: distance 5; the second image is its own mirror image
        assert found["invariance"].item() == pytest.approx(2.5)
        assert found["task"].item() == pytest.approx(losses(module, CrossEntropy(), x)["total"].item())
        assert found["total"].item() == pytest.approx(found["task"].item() + 1.25)

    def test_gradient_is_finite_where_the_network_is_invariant(self) -> None:
        module = VGG11(4, LAYERS)
        losses(module, FlipInvariance(weight=1.0), (images() + images().flip(-1)) / 2)["total"].backward()
        assert all(p.grad.isfinite().all() for p in module.parameters())
        x = torch.zeros(1, 3, requires_grad=True)
        norm(x).sum().backward()
        assert x.grad.eq(0).all()

    def test_late_it_is_plain_training_before_its_start(self) -> None:
        late = FlipInvariance(weight=1.0, start=3)
        assert late.at(2) == CrossEntropy()
        assert late.at(3) is late


class TestRelativeInvariance:
    def test_of_a_network_that_sees_one_side(self) -> None:
        """f = (a, 0) of the left pixel: images (1, 3) give |1 - 3| / 2 = 1."""
        x = torch.tensor([[1.0, 3.0]] * 2).view(2, 1, 1, 2)
        assert relative_invariance(lambda x: x[:, 0, :, :1].flatten(1), x, Flip()) == 1.0

    def test_is_rounding_for_a_gcnn_and_two_for_an_odd_function(self) -> None:
        net = VGG11(8, LAYERS).requires_grad_(False)
        assert relative_invariance(net, images(), Flip()) < 1e-5
        assert relative_invariance(lambda x: (x - x.flip(-1)).flatten(1), images(), Flip()) == pytest.approx(2)

    def test_of_the_zero_function_is_zero(self) -> None:
        assert relative_invariance(lambda x: 0 * x.flatten(1), images(), Flip()) == 0

    def test_tf32_is_off_within_and_as_it_was_after(self) -> None:
        before = torch.backends.cudnn.conv.fp32_precision
        with ieee_float32():
            assert torch.backends.cudnn.conv.fp32_precision == "ieee"
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.cudnn.conv.fp32_precision == before


class TestMirroredFilters:
    def test_a_regular_layer_has_no_residual_under_its_own_swaps(self) -> None:
        kernel = FlipConv(6, 8, paired=True).kernel().detach()
        swap, before = torch.arange(8).roll(4), torch.arange(6).roll(3)
        assert kernel_residual(kernel, swap, before) == 0
        assert torch.equal(matched_twin(kernel, swap, before), kernel)
        assert kernel_residual(kernel, torch.arange(8), before) > 0.5

    def test_residual_by_hand(self) -> None:
        kernel = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])  # two filters, each other's mirror image
        assert kernel_residual(kernel, torch.tensor([1, 0])) == 0
        assert kernel_residual(kernel, torch.tensor([0, 1])) == pytest.approx(2**0.5)

    def test_zero_filters_are_far_below_the_median(self) -> None:
        kernel = torch.tensor([1.0, 1.0, 2.0, 0.05, 0.2]).view(5, 1, 1, 1)
        assert zero_filters(kernel, 0.1) == 1
        assert zero_filters(kernel, 0.3) == 2

    def test_orders_of_all_and_of_live_channels(self) -> None:
        orders = {"a": torch.tensor([0, 2, 1]), "b": torch.tensor([1, 2, 0, 3])}
        live = {"a": torch.tensor([True, True, True]), "b": torch.tensor([False, False, False, True])}
        counts = order_counts(orders, live)
        assert counts["all"] == {"a": [1, 2, 0], "b": [1, 0, 3]}
        assert counts["live"]["b"] == [1, 0, 0]
        assert order_shares(counts["all"]) == pytest.approx([2 / 7, 2 / 7, 3 / 7])
        assert order_shares(counts["live"]) == pytest.approx([0.5, 0.5, 0])
