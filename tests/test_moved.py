"""Tasks whose labels ignore how a digit was moved, or depend on it, and the objective that trains on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.cloning.classify import Classify, softmax_kl
from learned_symmetry.cloning.clone import Clone, ClonedConv
from learned_symmetry.data.moved import Task, canvas
from learned_symmetry.groups import Translations, translated
from learned_symmetry.models import Network
from learned_symmetry.rng import generator

T2 = Task("t2", True, max_shift=3, min_right=2)
C4 = Task("c4", True)


def test_translated_is_the_circular_shift_where_nothing_leaves_the_image(randn: Callable[..., Tensor]) -> None:
    x = F.pad(randn(4, 2, 3, 3), (3,) * 4)
    down, right = torch.tensor([0, 1, -3, 2]), torch.tensor([0, -2, 3, 1])
    found = translated(x, down, right)
    for image, d, r, moved in zip(x, down.tolist(), right.tolist(), found, strict=True):
        assert torch.equal(moved, Translations(9).act(image, d % 9 * 9 + r % 9))


def test_translated_fills_with_zeros() -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    one, none = torch.tensor([1]), torch.tensor([0])
    assert translated(x, one, none).tolist() == [[[[0, 0], [1, 2]]]]
    assert translated(x, none, -one).tolist() == [[[[2, 0], [4, 0]]]]
    assert not translated(x, none, 2 * one).any()


def test_translated_under_vmap(randn: Callable[..., Tensor]) -> None:
    x, down = randn(2, 3, 1, 5, 5), torch.tensor([[0, 1, 2], [-1, 0, 1]])
    found = torch.vmap(translated)(x, down, -down)
    assert torch.equal(found, torch.stack([translated(*args) for args in zip(x, down, -down, strict=True)]))


def test_labels_of_the_breaking_tasks(randn: Callable[..., Tensor]) -> None:
    x, y = randn(4, 1, 6, 6), torch.tensor([0, 3, 5, 9])
    turned, labels = C4.moved(x, y, turn=torch.arange(4))
    assert labels.tolist() == [0, 13, 15, 9]  # 0 and, clockwise, 90 degrees keep it; the others are 270 and 180
    assert torch.equal(turned[3], x[3].rot90(-1, (-2, -1)))
    _, labels = T2.moved(x, y, down=torch.zeros(4, dtype=torch.long), right=torch.tensor([-2, 2, -3, 3]))
    assert labels.tolist() == [0, 13, 5, 19]
    symmetric = Task("t2", False, max_shift=3)
    _, labels = symmetric.moved(x, y, down=torch.ones(4, dtype=torch.long), right=torch.ones(4, dtype=torch.long))
    assert labels.tolist() == y.tolist()


def test_moves_are_within_their_range_and_never_too_small_to_see() -> None:
    moves = T2.draw(generator(0, "moves"), 2000)
    assert set(moves["right"].tolist()) == {-3, -2, 2, 3}
    assert set(moves["down"].tolist()) == set(range(-3, 4))
    moves = Task("t2", False, max_shift=3, min_right=2).draw(generator(0, "moves"), 2000)
    assert set(moves["right"].tolist()) == set(range(-3, 4))
    assert set(C4.draw(generator(0, "moves"), 100)["turn"].tolist()) == {0, 1, 2, 3}
    assert (T2.classes, Task("c4", False).classes) == (20, 10)


def test_test_sets(randn: Callable[..., Tensor]) -> None:
    x, y = randn(5, 1, 6, 6), torch.arange(5)
    found = C4.test(x, y)
    assert torch.equal(found.x[:5], x)
    assert torch.equal(found.x[5:10], x.rot90(1, (-2, -1)))
    assert found.y.tolist() == [*range(5), *range(10, 15), *range(10, 15), *range(5)]
    one, again = T2.test(x, y), T2.test(x, y)
    assert torch.equal(one.x, again.x)  # one fixed draw
    assert not torch.equal(one.x, x)


def test_the_canvas_keeps_the_light() -> None:
    x = torch.rand(2, 1, 28, 28, generator=generator(0, "images"))
    assert torch.equal(canvas(x, 1, 6)[..., 6:34, 6:34], x)
    half = canvas(x, 2, 1)
    assert half.shape == (2, 1, 16, 16)
    torch.testing.assert_close(4 * half.sum(), x.sum())


# ---- the objective ---------------------------------------------------------------------------------------------------


def test_kl_by_hand() -> None:
    start, new = torch.zeros(4).view(2, 2), torch.tensor([[1.0, 0.0], [0.0, 0.0]]).log1p()  # weights 2, 1, 1, 1
    by_hand = 0.4 * torch.tensor(0.4 / 0.25).log() + 3 * 0.2 * torch.tensor(0.2 / 0.25).log()
    torch.testing.assert_close(softmax_kl(new, start, "flat", "sum"), by_hand)
    torch.testing.assert_close(softmax_kl(new, start, "flat", "mean"), by_hand / 4)
    row = 2 / 3 * torch.tensor(4 / 3).log() + 1 / 3 * torch.tensor(2 / 3).log()  # softmax over dimension 1
    torch.testing.assert_close(softmax_kl(new, start, "code", "mean"), row / 4)


@pytest.mark.parametrize(("shape", "axis"), [((3, 4), 1), ((3, 4, 5), 0), ((2, 3, 4, 5), 1)])
def test_the_codes_dimension_is_the_one_that_pytorch_picks(
    shape: tuple[int, ...], axis: int, randn: Callable[..., Tensor]
) -> None:
    new, start = randn(*shape), randn(*shape)
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        p, q = F.softmax(new), F.log_softmax(start)
    expected = F.kl_div(q, p, reduction="none").mean()
    torch.testing.assert_close(softmax_kl(new, start, "code", "mean"), expected)
    free = new + randn(*(1 if a == axis else n for a, n in enumerate(shape)))  # a direction that costs nothing (D9)
    torch.testing.assert_close(softmax_kl(free, start, "code", "sum"), softmax_kl(new, start, "code", "sum"))


@pytest.mark.parametrize("change", [1e-5, 1e-3])
def test_kl_of_a_million_entries_in_float32_is_that_in_float64(change: float, randn: Callable[..., Tensor]) -> None:
    """The textbook form is off by its own size and pulls all entries one way, where none has changed."""
    start = 0.07 * randn(1_000_000)
    new = start + change * randn(1_000_000)
    found, gradients = [], []
    for dtype in (torch.float32, torch.float64):
        w = new.float().to(dtype).requires_grad_()
        found.append(softmax_kl(w, start.float().to(dtype), "flat", "sum"))
        gradients.append(torch.autograd.grad(found[-1], w)[0].double())
    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-3)
    low, high = gradients
    assert (low - high).norm() < 0.01 * high.norm()
    assert abs(low.mean()) < 1e-4 * high.square().mean().sqrt()  # a constant is in no direction that it knows


def test_kl_of_stacked_runs_is_each_runs_own(randn: Callable[..., Tensor]) -> None:
    new, start = randn(3, 9, 5).requires_grad_(), randn(3, 9, 5)

    def kl(a: Tensor, b: Tensor) -> Tensor:
        return softmax_kl(a, b, "flat", "sum")

    stacked, looped = torch.vmap(kl)(new, start), torch.stack([kl(a, b) for a, b in zip(new, start, strict=True)])
    textbook = F.kl_div(
        F.log_softmax(start.flatten(1), 1), F.log_softmax(new.flatten(1), 1), log_target=True, reduction="none"
    )
    torch.testing.assert_close(stacked, textbook.sum(1))
    torch.testing.assert_close(looped, stacked)
    wanted = torch.autograd.grad(textbook.sum(), new)
    torch.testing.assert_close(torch.autograd.grad(stacked.sum(), new), wanted)
    torch.testing.assert_close(torch.autograd.grad(looped.sum(), new), wanted)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = ClonedConv(Clone("t2", 6, 9), 1, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer1(x).mean((-2, -1))


def test_the_penalty_counts_from_where_the_clones_started() -> None:
    network = Tiny()
    objective = Classify(T2, beta=3.0, unfrozen=True)
    assert objective.penalised(network) == [f"layer1.clone.{name}" for name in ("W", "E1", "E2")]
    few = Classify(T2, beta=3.0, unfrozen=True, dim="code")
    assert few.penalised(network) == [f"layer1.clone.{name}" for name in ("W", "E1")]  # first dimension 9 (D9)
    weights = dict(network.named_parameters())
    anchors = {f"anchor.{n}": weights[n].detach().clone() for n in objective.penalised(network)}
    batch = {"x": torch.rand(5, 1, 6, 6), "y": torch.arange(5), **objective.draw(generator(0, "moves"), 5), **anchors}
    found = objective.losses(Network(network, weights), batch)
    assert found["kl"].item() == 0
    moved = {**weights, "layer1.clone.E1": weights["layer1.clone.E1"] + torch.eye(9, 10)}
    found = objective.losses(Network(network, moved), batch)
    wanted = softmax_kl(moved["layer1.clone.E1"], weights["layer1.clone.E1"], "flat", "sum")
    torch.testing.assert_close(found["kl"], wanted)
    torch.testing.assert_close(found["total"], found["task"] + 3 * wanted)


def test_frozen_clones_come_with_the_batch() -> None:
    """So that stacked runs have each its own."""
    network, objective = Tiny(), Classify(Task("t2", False))
    batch = {"x": torch.rand(5, 1, 6, 6), "y": torch.arange(5)}
    weights = dict(network.named_parameters())
    plain = objective.losses(Network(network, weights), batch)["total"]
    other = {"weights.layer1.clone.W": torch.rand(9, 16, 36)}
    changed = objective.losses(Network(network, weights), batch | other)["total"]
    assert changed != plain
    expected = objective.losses(Network(network, {**weights, "layer1.clone.W": other["weights.layer1.clone.W"]}), batch)
    assert changed == expected["total"]
