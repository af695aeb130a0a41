"""LI, DI, SI, the accuracy ratio, the Jacobian's norm and the orbit distance: known answers, and on any network."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from learned_symmetry import models
from learned_symmetry.groups import Group, QuarterTurns, Shifts
from learned_symmetry.measure.accuracy_ratio import accuracy_ratios, orbit_accuracy
from learned_symmetry.measure.distribution_invariance import distribution_invariance, divergence
from learned_symmetry.measure.jacobian import jacobian_norm, jacobian_norms
from learned_symmetry.measure.logit_invariance import logit_invariance
from learned_symmetry.measure.orbit_distance import orbit_distance_ratio
from learned_symmetry.measure.saliency import Recipe, integrated_gradients, maps, orbit_maps, saliency_similarity
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.gcnn import GCNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.perceptron import Perceptron, TiedPerceptron

GROUPS = {"R4": QuarterTurns(), "T3": Shifts(3)}
each_group = pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    return models.seeded(build, torch.Generator().manual_seed(0)).double().eval()


def perceptron() -> nn.Module:
    return seeded(lambda: Perceptron(6, 2, 8, 4, bias=True))


# ---- known answers -------------------------------------------------------------------------------------------------


@each_group
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_a_tied_network_is_invariant(group: Group, pool: str, randn: Callable[..., Tensor]) -> None:
    tied, x = seeded(lambda: TiedPerceptron(group, pool, 6, 3, 16, 4, bias=True)), randn(20, 1, 6, 6)
    assert logit_invariance(tied, x, group) < 1e-28
    assert distribution_invariance(tied, x, group) < 1e-15
    assert saliency_similarity(tied, x, group) == pytest.approx(1, abs=1e-12)
    assert orbit_distance_ratio(tied.latent, x, group) < 1e-14
    assert accuracy_ratios(tied, x, [x], group) == [1]
    plain = perceptron()
    assert logit_invariance(plain, x, group) > 1e-3
    assert saliency_similarity(plain, x, group) < 0.9


def test_errors_of_a_linear_map_by_hand() -> None:
    """f(x) = (x1 + 2 x2, x3) for shifts of (1, 2, 3): (5, 3), then (3, 1, 2) -> (5, 2) and (2, 3, 1) -> (8, 1)."""
    matrix, x = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]).double(), torch.tensor([[1.0, 2.0, 3.0]]).double()
    function = lambda x: x @ matrix.T  # noqa: E731
    assert logit_invariance(function, x, Shifts(3)) == pytest.approx((1 / 2 + (9 + 4) / 2) / 2)
    p, q, r = (1 / (1 + math.exp(-difference)) for difference in (2, 3, 7))
    kl = [p * math.log(p / other) + (1 - p) * math.log((1 - p) / (1 - other)) for other in (q, r)]
    assert distribution_invariance(function, x, Shifts(3)) == pytest.approx(sum(kl) / 2, rel=1e-6)
    assert divergence(torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 6.0]])).item() == pytest.approx(0, abs=1e-6)


def test_the_distribution_does_not_see_what_all_logits_share(randn: Callable[..., Tensor]) -> None:
    """Logits that move together over the orbit: LI is high, DI is zero."""
    function = lambda x: x[:, :1, 0, 0] * torch.ones(3, dtype=x.dtype)  # noqa: E731
    x = randn(5, 1, 6, 6)
    assert logit_invariance(function, x, QuarterTurns()) > 0.1
    assert distribution_invariance(function, x, QuarterTurns()) < 1e-15


def test_how_inputs_are_cut_does_not_matter(randn: Callable[..., Tensor]) -> None:
    model, x, y = perceptron(), randn(1100, 1, 6, 6), torch.arange(1100) % 4
    halves = [logit_invariance(model, part, QuarterTurns()) for part in (x[:550], x[550:])]
    assert logit_invariance(model, x, QuarterTurns()) == pytest.approx(sum(halves) / 2)
    assert orbit_accuracy(model, x, y, QuarterTurns()) == orbit_accuracy(model, x, y, QuarterTurns(), 7)


def test_accuracy_counts_the_whole_orbit() -> None:
    """The class is the place of the 1: the orbit of a one-hot signal has each place once."""
    x, y = torch.eye(3), torch.tensor([0, 1, 2])
    assert orbit_accuracy(nn.Identity(), x, y, Shifts(3)) == pytest.approx(1 / 3)
    assert math.isnan(accuracy_ratios(torch.zeros_like, x, [x], Shifts(3), torch.ones(3))[0])  # nothing is right


def test_drift_that_halves_the_right_answers() -> None:
    x, drifted = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    y, still = torch.tensor([0, 0]), Shifts(1)
    assert accuracy_ratios(nn.Identity(), x, [x, drifted], still, y) == [1, 0.5]
    assert accuracy_ratios(nn.Identity(), x, [drifted], still) == [0.5]  # the model's own answers to x


# ---- saliency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["logit", "prob"])
def test_integrated_gradients_are_captums(output: str, randn: Callable[..., Tensor]) -> None:
    model, x, labels = perceptron(), randn(7, 1, 6, 6), torch.arange(7) % 4
    recipe = Recipe(baseline=-0.3, steps=600, output=output)  # so many that a batch is cut
    function = model if output == "logit" else lambda x: model(x).softmax(-1)
    theirs = IntegratedGradients(function).attribute(x, -0.3, target=labels, n_steps=600, method="riemann_middle")
    torch.testing.assert_close(
        integrated_gradients(model, x, labels, recipe), theirs, rtol=0, atol=1e-8
    )  # captum's steps are float32


def test_attributions_add_up_to_the_rise_of_the_output(randn: Callable[..., Tensor]) -> None:
    model, x, labels = perceptron(), randn(7, 1, 6, 6), torch.arange(7) % 4
    rise = (model(x) - model(torch.full_like(x, -0.3))).gather(1, labels.unsqueeze(1)).squeeze(1)
    found = integrated_gradients(model, x, labels, Recipe(baseline=-0.3, steps=2000)).sum((1, 2, 3))
    torch.testing.assert_close(found, rise, rtol=0, atol=1e-3)


def test_a_map_by_hand() -> None:
    """-10 and 9 stay, 8 is below 0.9 of the largest; each is spread over 3 x 3 pixels, around the edge too."""
    a = torch.zeros(1, 1, 6, 6)
    a[0, 0, 0, 0], a[0, 0, 3, 3], a[0, 0, 2, 5] = -10, 9, 8
    side = math.exp(-0.5) / (1 + 2 * math.exp(-0.5))
    line = torch.tensor([side, 1 - 2 * side, side])
    found = maps(a, Recipe())[0, 0].roll((1, 1), (0, 1))  # so that the spread of the corner lies in rows 0 to 2
    shifted = torch.zeros(6, 6)
    shifted[3:, 3:] = 9 * torch.outer(line, line)
    shifted[:3, :3] = 10 * torch.outer(line, line)
    torch.testing.assert_close(found, shifted)


@each_group
def test_maps_are_turned_back(group: Group, randn: Callable[..., Tensor]) -> None:
    """Of a linear model the attribution is w (x - b), by hand for each moved copy."""
    weight, x = randn(2, 1, 6, 6), randn(3, 1, 6, 6)
    model = lambda x: x.flatten(1) @ weight.flatten(1).T  # noqa: E731
    labels, recipe = torch.tensor([0, 1, 0]), Recipe(baseline=0.5, steps=3)
    found = orbit_maps(model, x, group, labels, recipe)
    for g in range(group.order):
        by_hand = maps(weight[labels] * (group.act(x, g) - 0.5), recipe)
        torch.testing.assert_close(found[g], group.act(by_hand, group.inverse(g)))


def test_similarity_of_a_map_that_stays_with_the_frame(randn: Callable[..., Tensor]) -> None:
    """A model that looks at one pixel marks this pixel for all copies: turned back, no two marks overlap."""
    model = lambda x: torch.stack([x[:, 0, 1, 1], -x[:, 0, 1, 1]], 1)  # noqa: E731
    x = 1 + randn(4, 1, 12, 12).abs()
    assert saliency_similarity(model, x, QuarterTurns()) == pytest.approx(0)
    middle = lambda x: x[:, 0, 3:9, 3:9].mean((-2, -1)).unsqueeze(1).expand(-1, 2)  # noqa: E731
    assert saliency_similarity(middle, torch.ones(2, 1, 12, 12), QuarterTurns()) == pytest.approx(1)


def test_empty_maps_are_left_out() -> None:
    x = torch.ones(2, 1, 6, 6)
    x[0] = 0.0  # at the baseline: no attribution
    model = lambda x: x.flatten(1)[:, :1] * 2 + x.mean((1, 2, 3)).unsqueeze(1)  # noqa: E731
    assert saliency_similarity(model, x, Shifts(3)) == pytest.approx(saliency_similarity(model, x[1:], Shifts(3)))
    assert math.isnan(saliency_similarity(model, x[:1], Shifts(3)))


# ---- sensitivity ---------------------------------------------------------------------------------------------------


def test_jacobian_norms_are_the_singular_values(randn: Callable[..., Tensor]) -> None:
    model, x = perceptron(), randn(11, 1, 6, 6)
    full = torch.stack([torch.autograd.functional.jacobian(model, one.unsqueeze(0)).view(4, 36) for one in x])
    found = jacobian_norms(model, x, chunk=4)
    torch.testing.assert_close(found, torch.linalg.svdvals(full)[:, 0])
    v = torch.ones(11, 36, 1, dtype=torch.float64)
    for _ in range(300):  # power iteration
        v = full.mT @ (full @ v)
        v = v / v.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, (full @ v).norm(dim=1).squeeze(1))
    assert jacobian_norm(model, x) == pytest.approx(found.mean().item())


def test_the_jacobian_of_a_linear_map_is_the_map() -> None:
    model = nn.Linear(3, 2, bias=False)
    model.weight.data = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    torch.testing.assert_close(jacobian_norms(model, torch.rand(5, 3)), torch.full((5,), 4.0))


def test_orbit_distance_by_hand() -> None:
    """Positions on a line: moved copies are 1 apart; the moved copies that are compared of two inputs are 5 apart."""
    x = torch.tensor([[0.0, 1.0], [6.0, 5.0]])
    assert orbit_distance_ratio(lambda x: x[:, :1], x, Shifts(2)) == pytest.approx(1 / 5)
    assert orbit_distance_ratio(lambda x: x[:, :1], x, Shifts(2), torch.zeros(2)) == pytest.approx(1 / 5)


# ---- any network ---------------------------------------------------------------------------------------------------


@each_group
@pytest.mark.parametrize("build", [MLP, lambda: CNN((4, 4, 4)), lambda: GCNN((2, 2, 2))], ids=["MLP", "CNN", "GCNN"])
def test_a_model_a_group_and_data_are_all_that_a_measure_needs(build: Callable[[], nn.Module], group: Group) -> None:
    """On untrained students and teachers of nix2022; by halves, for their 28 pixels have no thirds."""
    model = seeded(build).float()
    group = Shifts(2) if isinstance(group, Shifts) else group
    x = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    assert logit_invariance(model, x, group) > 0
    assert distribution_invariance(model, x, group) > 0
    assert 0 <= saliency_similarity(model, x, group) <= 1 + 1e-6
    assert accuracy_ratios(model, x, [1 - x], group)[0] >= 0
    assert jacobian_norm(model, x) > 0
    assert orbit_distance_ratio(model, x, group) > 0
