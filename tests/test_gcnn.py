"""Group convolutions over p4 turn with their input; the teacher built of them does as far as its pooling lets it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from learned_symmetry.groups import QuarterTurns
from learned_symmetry.models import features, parameter_count, seeded
from learned_symmetry.models.gcnn import GCNN, LAYERS, LiftingConv, P4Conv, SpatialPool
from learned_symmetry.rng import generator

TURNS = QuarterTurns()
EXACT = 1e-12  # float64

CONVOLUTIONS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {  # layer, a shape between batch and space
    "lifting": (lambda **options: LiftingConv(2, 3, **options), (2,)),
    "p4": (lambda **options: P4Conv(2, 3, **options), (2, 4)),
}
each_convolution = pytest.mark.parametrize(("make", "channels"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """In float64, with biases that are not zero."""
    module = seeded(make, generator(0, "network")).double()
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, generator=generator(0, name))
    return module


def turned(x: Tensor, g: int) -> Tensor:
    """Where the quarter turn g takes an image, a P4 map (b, c, 4, h, w), or logits."""
    if x.dim() == 2:
        return x
    return TURNS.act(x, g) if x.dim() == 4 else TURNS.act(x, g).roll(g, 2)


def error(function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Largest difference between turning before and after, relative to the largest output."""
    still = function(x)
    gaps = [(function(turned(x, g)) - turned(still, g)).abs().max() for g in range(1, 4)]
    return (torch.stack(gaps).max() / still.abs().max()).item()


# ---- convolutions ----------------------------------------------------------------------------------------------------


@each_convolution
@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (3, 1), (5, 1), (2, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_convolutions_turn_with_their_input(
    make: Callable[..., nn.Module],
    channels: tuple[int, ...],
    size: int,
    kernel: int,
    padding: int,
    bias: bool,
    randn: Callable[..., Tensor],
) -> None:
    layer = build(lambda: make(kernel=kernel, padding=padding, bias=bias))
    x = randn(2, *channels, size, size)
    side = size + 2 * padding - kernel + 1
    assert layer(x).shape == (2, 3, 4, side, side)
    assert error(layer, x) < EXACT


def test_lifting_by_hand(randn: Callable[..., Tensor]) -> None:
    layer, x = build(lambda: LiftingConv(2, 3, 3)), randn(2, 2, 3, 3)
    for r in range(4):
        expected = torch.einsum("bihw,oihw->bo", x, layer.weight.rot90(r, (-2, -1))) + layer.bias
        torch.testing.assert_close(layer(x)[:, :, r, 0, 0], expected)


def test_p4_convolution_by_hand(randn: Callable[..., Tensor]) -> None:
    layer, x = build(lambda: P4Conv(2, 3, 3)), randn(2, 2, 4, 3, 3)
    for r in range(4):
        filters = torch.stack([layer.weight[:, :, (s - r) % 4].rot90(r, (-2, -1)) for s in range(4)], 2)
        expected = torch.einsum("bishw,oishw->bo", x, filters) + layer.bias
        torch.testing.assert_close(layer(x)[:, :, r, 0, 0], expected)


@each_convolution
def test_weights_start_within_the_fan_in_and_biases_at_zero(
    make: Callable[..., nn.Module], channels: tuple[int, ...]
) -> None:
    layer = seeded(lambda: make(kernel=5), generator(0, "network"))
    scaled = layer.weight.abs() * layer.weight[0].numel() ** 0.5
    assert 0.9 < scaled.max() <= 1 + 1e-6
    assert scaled.mean().item() == pytest.approx(0.5, abs=0.1)
    assert not layer.bias.any()
    assert make(kernel=5, bias=False).bias is None


@each_convolution
@pytest.mark.parametrize("kernel", [3, 5])
def test_escnns_filters_are_ours_for_some_base_filters(
    make: Callable[..., nn.Module],
    channels: tuple[int, ...],
    kernel: int,
    randn: Callable[..., Tensor],
    escnn: ModuleType,
) -> None:
    """escnn's own filters are smooth, fewer than ours: each of them is one of ours, and not the other way round."""
    plane = escnn.gspaces.rot2dOnR2(4)
    images, maps = plane.trivial_repr, plane.regular_repr
    inside = escnn.nn.FieldType(plane, [maps if len(channels) == 2 else images] * channels[0])
    outside = escnn.nn.FieldType(plane, [maps] * 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = escnn.nn.R2Conv(inside, outside, kernel, padding=1).double()
    torch.nn.init.normal_(theirs.bias, generator=generator(0, "bias"))
    filters, biases = theirs.expand_parameters()

    ours = build(lambda: make(kernel=kernel, padding=1))
    with torch.no_grad():
        ours.weight.copy_(filters.reshape(3, 4, *ours.weight.shape[1:])[:, 0])
        ours.bias.copy_(biases.reshape(3, 4)[:, 0])
    assert (ours.bank() - filters).abs().max() < 1e-6 * filters.abs().max()  # escnn samples them in float32
    x = randn(2, *channels, 7, 7)
    found = theirs(escnn.nn.GeometricTensor(x.reshape(2, -1, 7, 7), inside)).tensor
    torch.testing.assert_close(ours(x).flatten(1, 2), found, rtol=0, atol=1e-5)


# ---- pooling ---------------------------------------------------------------------------------------------------------


def test_pooling_turns_with_even_maps_alone(randn: Callable[..., Tensor]) -> None:
    assert error(SpatialPool(), randn(2, 3, 4, 6, 6)) == 0
    assert error(SpatialPool(), randn(2, 3, 4, 7, 7)) > 0.1


def test_pooling_an_odd_map_after_a_turn_is_pooling_it_without_other_edges(randn: Callable[..., Tensor]) -> None:
    pool, z = SpatialPool(), randn(2, 3, 4, 7, 7)
    kept = {1: z[..., :-1, 1:], 2: z[..., 1:, 1:], 3: z[..., 1:, :-1]}
    for g, part in kept.items():
        assert torch.equal(pool(turned(z, g)), turned(pool(part), g))


# ---- the teacher -----------------------------------------------------------------------------------------------------


def test_the_teachers_size_and_layers(randn: Callable[..., Tensor]) -> None:
    teacher = GCNN()
    assert parameter_count(teacher) == 106_298  # nix2022 protocol 2.5
    assert [parameter_count(layer) for layer in (*(getattr(teacher, name) for name in LAYERS), teacher.head)] == [
        208,
        9_248,
        73_792,
        23_050,
    ]
    seen = features(teacher, randn(2, 1, 28, 28, dtype=torch.float32), LAYERS)
    assert {name: tuple(z.shape[1:]) for name, z in seen.items()} == {
        "layer1": (8, 4, 13, 13),
        "layer2": (32, 4, 6, 6),
        "layer3": (64, 4, 3, 3),
        "logits": (10,),
    }
    assert sum(z[0].numel() for z in seen.values()) == 12_330
    assert all(seen[name].min() < 0 for name in LAYERS)  # before the ReLU


def test_fewer_channels() -> None:
    assert GCNN(channels=(2, 3, 4))(torch.zeros(5, 1, 28, 28)).shape == (5, 10)


def test_a_stack_of_teachers_learns_as_each_alone(randn: Callable[..., Tensor]) -> None:
    """Under vmap; a rule that torch lacks would warn."""
    teachers = [seeded(lambda: GCNN((2, 3, 4)), generator(seed, "network")).double() for seed in range(2)]
    x = randn(3, 1, 28, 28)
    weights, _ = stack_module_state(teachers)
    found = vmap(grad(lambda weights: functional_call(teachers[0], weights, (x,)).square().sum()))(weights)
    for run, teacher in enumerate(teachers):
        teacher(x).square().sum().backward()
        for name, weight in teacher.named_parameters():
            torch.testing.assert_close(found[name][run], weight.grad)


def test_the_teacher_is_invariant_where_all_pooled_maps_are_even(randn: Callable[..., Tensor]) -> None:
    teacher, x = build(GCNN), randn(2, 1, 26, 26)  # 24, 12, 6
    for layer in (*LAYERS, "logits"):
        assert error(lambda x, layer=layer: features(teacher, x, LAYERS)[layer], x) < EXACT


def test_on_28_pixels_the_pooling_of_an_odd_map_alone_breaks_it(randn: Callable[..., Tensor]) -> None:
    teacher, x = build(GCNN), randn(2, 1, 28, 28)
    seen = features(teacher, x, LAYERS)

    assert error(teacher.layer1, x) < EXACT
    assert error(teacher.layer2[0], seen["layer1"].relu()) < EXACT  # (b, 32, 4, 13, 13), not pooled yet
    assert error(teacher.layer3, seen["layer2"].relu()) < EXACT
    assert error(lambda z: teacher.head(z).amax(2).mean((-2, -1)), seen["layer3"].relu()) < EXACT

    for layer in ("layer2", "layer3", "logits"):
        assert error(lambda x, layer=layer: features(teacher, x, LAYERS)[layer], x) > 1e-3
