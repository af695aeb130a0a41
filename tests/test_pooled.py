"""A linear layer under a maximum: values and gradients are those of the dense form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from learned_symmetry.models.pooled import PooledLinear

FEATURES, CHANNELS, POSITIONS, EXAMPLES = 5, 3, 4, 7


def dense(x: Tensor, weight: Tensor) -> Tensor:
    """Maxima (..., examples, channels) by the definition."""
    return (x @ weight.mT).unflatten(-1, (CHANNELS, POSITIONS)).amax(-1)


@pytest.fixture
def layer() -> PooledLinear:
    return PooledLinear(FEATURES, CHANNELS, POSITIONS).double()


class Pooled(torch.nn.Module):
    """What a network does with the layer."""

    def __init__(self, layer: PooledLinear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer.maxima(x, self.layer(x))


def maxima(layer: PooledLinear, x: Tensor, weight: Tensor) -> Tensor:
    return functional_call(Pooled(layer), {"layer.weight": weight}, (x,))


def gradients(form: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> list[Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    value = form(x, weight)
    upstream = torch.linspace(-1, 2, value.numel(), dtype=value.dtype).view_as(value)
    return [value.detach(), *torch.autograd.grad((value * upstream).sum(), (x, weight))]


@pytest.mark.parametrize(("runs", "shared"), [(None, None), (3, None), (3, "x"), (3, "weight")])
def test_it_equals_the_dense_form(
    layer: PooledLinear, randn: Callable[..., Tensor], runs: int | None, shared: str | None
) -> None:
    lead = {name: () if runs is None or shared == name else (runs,) for name in ("x", "weight")}
    x, weight = randn(*lead["x"], EXAMPLES, FEATURES), randn(*lead["weight"], CHANNELS * POSITIONS, FEATURES)

    def ours(x: Tensor, weight: Tensor) -> Tensor:
        if runs is None:
            return maxima(layer, x, weight)
        dims = tuple(None if shared == name else 0 for name in ("x", "weight"))
        return torch.vmap(lambda x, w: maxima(layer, x, w), in_dims=dims)(x, weight)

    for mine, theirs in zip(gradients(ours, x, weight), gradients(dense, x, weight), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-13)


def test_what_reads_the_units_too_adds_its_own_gradient(layer: PooledLinear, randn: Callable[..., Tensor]) -> None:
    x, weight = randn(EXAMPLES, FEATURES), layer.weight
    units = layer(x)
    (layer.maxima(x, units).sum() + units.square().sum()).backward()
    found, layer.weight.grad = weight.grad, None
    (dense(x, weight).sum() + (x @ weight.mT).square().sum()).backward()
    torch.testing.assert_close(found, weight.grad, rtol=0, atol=1e-13)


def test_where_a_hook_looks_at_the_units_it_is_the_plain_maximum(
    layer: PooledLinear, randn: Callable[..., Tensor]
) -> None:
    x, seen = randn(EXAMPLES, FEATURES), []
    with torch.no_grad():
        expected = layer.maxima(x, layer(x))
    handle = layer.register_forward_hook(lambda _module, _inputs, units: seen.append(units))
    found = layer.maxima(x, layer(x))
    handle.remove()
    assert torch.equal(found, expected)
    (found.sum() + seen[0].square().sum()).backward()
    gradient, layer.weight.grad = layer.weight.grad, None
    (dense(x, layer.weight).sum() + (x @ layer.weight.mT).square().sum()).backward()
    torch.testing.assert_close(gradient, layer.weight.grad, rtol=0, atol=1e-13)


def test_of_equal_units_the_first_has_the_gradient(layer: PooledLinear) -> None:
    with torch.no_grad():
        layer.weight.fill_(1.0)
    x = torch.ones(2, FEATURES, dtype=torch.float64)
    layer.maxima(x, layer(x)).sum().backward()
    expected = torch.zeros(CHANNELS, POSITIONS, FEATURES, dtype=torch.float64)
    expected[:, 0] = 2
    assert torch.equal(layer.weight.grad, expected.flatten(0, 1))
