"""The networks of Nix et al. 2022 on MNIST-1D: sizes, symmetry, and what is read out of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from learned_symmetry.groups import Shifts
from learned_symmetry.models import Network, cached_features, features, parameter_count, seeded
from learned_symmetry.models.mnist1d import LAYERS, OrbitKernels, Student, Teacher
from learned_symmetry.rng import generator
from tests.networks import as_student

SHIFTS = Shifts(40)
EXACT = 1e-12  # float64


def build(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    return seeded(make, generator(seed, "network")).double()


def worst(a: Tensor, b: Tensor) -> float:
    """Largest difference, whatever the two shapes call channels."""
    return (a.flatten(1) - b.flatten(1)).abs().max().item()


# ---- sizes and initial weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (Teacher, 825),
        (lambda: Student("pooling"), 264_000),
        (lambda: Student("linear"), 268_000),
        (OrbitKernels, 3_650),
        (lambda: OrbitKernels(first_layer_transform=True), 5_290),
    ],
    ids=["teacher", "pooling", "linear", "orbit", "orbit with A_1"],
)
def test_parameter_count(make: Callable[[], nn.Module], count: int) -> None:
    assert parameter_count(make()) == count  # nix2022 Table 3 and protocol 2.1


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (Teacher, {"layer1.weight": 5, "layer2.weight": 75}),
        (lambda: Student("linear"), {"layer1.weight": 40, "layer2.weight": 600, "head.weight": 400}),
        (
            lambda: OrbitKernels(first_layer_transform=True),
            {f"to_{name}.{kind}": 40 for name in ("layer1", "layer2", "logits") for kind in ("weight", "bias")},
        ),
    ],
    ids=["teacher", "student", "orbit"],
)
def test_initial_weights_are_uniform_within_the_fan_in(make: Callable[[], nn.Module], fan_in: dict[str, int]) -> None:
    weights = dict(build(make).named_parameters())
    assert weights.keys() - {"kernels"} == fan_in.keys()
    for name, n in fan_in.items():
        scaled = weights[name].abs() * math.sqrt(n)
        assert scaled.max() <= 1 + 1e-6
        if weights[name].numel() > 50:  # enough to tell a spread from another
            assert scaled.max() > 0.9
            assert scaled.mean().item() == pytest.approx(0.5, abs=0.1)


def test_orbit_kernels_start_standard_normal() -> None:
    kernels = build(OrbitKernels).kernels
    assert kernels.mean().item() == pytest.approx(0, abs=0.1)
    assert kernels.std().item() == pytest.approx(1, abs=0.1)


# ---- symmetry --------------------------------------------------------------------------------------------------------


def test_the_teachers_layers_move_with_the_input_and_its_logits_do_not(randn: Callable[..., Tensor]) -> None:
    teacher, x = build(Teacher), randn(5, 1, 40)
    still = features(teacher, x, LAYERS)
    for g in range(SHIFTS.order):
        moved = features(teacher, SHIFTS.act(x, g), LAYERS)
        for layer in LAYERS:
            assert worst(moved[layer], SHIFTS.act(still[layer], g)) < EXACT
        assert worst(moved["logits"], still["logits"]) < EXACT


@pytest.mark.parametrize("head", ["pooling", "linear"])
def test_a_students_do_not(head: str, randn: Callable[..., Tensor]) -> None:
    student, x = build(lambda: Student(head)), randn(5, 1, 40)
    still = features(student, x, LAYERS)
    for g in range(1, SHIFTS.order):
        moved = features(student, SHIFTS.act(x, g), LAYERS)
        for layer in LAYERS:
            as_maps = still[layer].unflatten(1, (-1, 40))
            assert worst(moved[layer], SHIFTS.act(as_maps, g)) > 1e-2
        assert worst(moved["logits"], still["logits"]) > 1e-2


@pytest.mark.parametrize("seed", range(3))
def test_the_teacher_as_a_student_is_the_same_function_at_every_layer(seed: int, randn: Callable[..., Tensor]) -> None:
    teacher, x = build(Teacher, seed), randn(7, 1, 40)
    expected = features(teacher, x, LAYERS)
    found = features(as_student(teacher).double(), x, LAYERS)
    for name in (*LAYERS, "logits"):
        assert worst(found[name], expected[name]) < EXACT


# ---- students --------------------------------------------------------------------------------------------------------


def test_heads_by_hand(randn: Callable[..., Tensor]) -> None:
    x = randn(3, 1, 40)
    student = build(lambda: Student("linear"))
    w1, w2, w3 = (weight for weight in student.parameters())
    hidden = (x.squeeze(1) @ w1.mT).clamp(min=0) @ w2.mT
    torch.testing.assert_close(student(x), hidden @ w3.mT)
    student.relu_before_head = True
    torch.testing.assert_close(student(x), hidden.clamp(min=0) @ w3.mT)

    pooling = build(lambda: Student("pooling"))
    w1, w2 = (weight for weight in pooling.parameters())
    hidden = (x.squeeze(1) @ w1.mT).clamp(min=0) @ w2.mT
    torch.testing.assert_close(pooling(x)[:, 3], hidden[:, 120:160].amax(1))  # channel-major: class 3 of 10 x 40


def test_a_relu_before_the_head_changes_the_outputs(randn: Callable[..., Tensor]) -> None:
    x = randn(3, 1, 40)
    plain, with_relu = (build(lambda relu=relu: Student("linear", relu_before_head=relu)) for relu in (False, True))
    assert torch.equal(plain.head.weight, with_relu.head.weight)
    assert worst(plain(x), with_relu(x)) > 1e-3


# ---- features --------------------------------------------------------------------------------------------------------


def test_features_are_named_before_the_relu_and_leave_no_hook(randn: Callable[..., Tensor]) -> None:
    teacher, x = build(Teacher), randn(5, 1, 40)
    seen = features(teacher, x, LAYERS)
    assert {name: tuple(z.shape) for name, z in seen.items()} == {
        "layer1": (5, 15, 40),
        "layer2": (5, 10, 40),
        "logits": (5, 10),
    }
    assert torch.equal(seen["layer1"], teacher.layer1(x))
    assert seen["layer1"].min() < 0
    assert torch.equal(seen["logits"], teacher(x))
    assert set(features(teacher, x, ("layer2",))) == {"layer2", "logits"}
    assert set(features(teacher, x, ("logits",))) == {"logits"}
    assert not any(module._forward_hooks for module in teacher.modules())


def test_hooks_go_even_when_the_network_fails() -> None:
    teacher = build(Teacher)
    with pytest.raises(RuntimeError):
        features(teacher, torch.zeros(5, 3, 40).double(), LAYERS)
    with pytest.raises(AttributeError):
        features(teacher, torch.zeros(5, 1, 40).double(), ("layer3",))
    assert not any(module._forward_hooks for module in teacher.modules())


def test_features_of_weights_from_outside(randn: Callable[..., Tensor]) -> None:
    inside, outside, x = build(Teacher, 0), build(Teacher, 1), randn(5, 1, 40)
    seen = features(Network(inside, dict(outside.named_parameters())), x, LAYERS)
    for name, activation in features(outside, x, LAYERS).items():
        assert torch.equal(seen[name], activation)
    assert worst(inside(x), seen["logits"]) > 1e-3  # the module keeps its own


@pytest.mark.parametrize("chunk", [2, 5, 100])
def test_cached_features_are_those_of_all_inputs_at_once(chunk: int, randn: Callable[..., Tensor]) -> None:
    teacher, x = build(Teacher), randn(5, 1, 40)
    cached = cached_features(teacher, x, LAYERS, chunk)
    for name, activation in features(teacher, x, LAYERS).items():
        torch.testing.assert_close(cached[name], activation)
        assert not cached[name].requires_grad
