"""Measures on functions whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from learned_symmetry.groups import Flip, QuarterTurns, Shifts
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.measure.invariance import invariance_gap
from learned_symmetry.models.mnist1d import Student, Teacher

LOGITS = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [1.0, 0.0, 9.0], [2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
ANSWERS = [0, 1, 2, 0, 2]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("labels", "share"),
    [(ANSWERS, 1), ([1, 2, 0, 1, 0], 0), ([0, 1, 2, 0, 1], 0.8), ([1, 1, 0, 1, 2], 0.4)],
    ids=["all", "none", "last wrong", "some"],
)
def test_accuracy_is_the_share_of_right_answers(labels: list[int], share: float, chunk: int) -> None:
    """However the set is cut; a last part that is not full counts as much as the others (D20)."""
    assert accuracy(nn.Identity(), LOGITS, torch.tensor(labels), chunk) == share


def test_accuracy_builds_no_graph(randn: Callable[..., Tensor]) -> None:
    grad_modes = []

    class Watching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            grad_modes.append(torch.is_grad_enabled())
            return x

    accuracy(Watching(), LOGITS, torch.tensor(ANSWERS))
    assert grad_modes == [False]


def test_a_network_built_invariant_has_no_gap_and_another_has(randn: Callable[..., Tensor]) -> None:
    x = randn(6, 1, 40)
    assert invariance_gap(Teacher().double(), x, Shifts(40)) < 1e-12
    assert invariance_gap(Student("pooling").double(), x, Shifts(40)) > 1e-2
    assert invariance_gap(lambda images: images.flatten(1).amax(1, keepdim=True), randn(5, 4, 4), QuarterTurns()) == 0


def test_the_gap_of_a_linear_map_by_hand() -> None:
    """f(x) = (x1 + 2 x2, x3) for shifts of (1, 2, 3): (5, 3), then (3, 1, 2) -> (5, 2) and (2, 3, 1) -> (8, 1)."""
    matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    expected = (math.hypot(0, 1) + math.hypot(3, 2)) / 2 / math.hypot(5, 3)
    gap = invariance_gap(lambda x: x @ matrix.T, torch.tensor([[1.0, 2.0, 3.0]]), Shifts(3))
    assert gap == pytest.approx(expected)


def test_the_identity_is_left_out_of_the_mean() -> None:
    assert invariance_gap(lambda x: x, torch.tensor([[1.0, 0.0]]), Flip()) == pytest.approx(math.sqrt(2))


def test_each_input_counts_by_its_own_size() -> None:
    """A mean of ratios, not a ratio of means: the small input's gap is not drowned by the large one's."""
    x = torch.tensor([[1.0, 0.0], [1000.0, 1000.0]])
    assert invariance_gap(lambda x: x, x, Flip()) == pytest.approx(math.sqrt(2) / 2)
    assert invariance_gap(lambda x: 7 * x, x, Flip()) == pytest.approx(math.sqrt(2) / 2)
