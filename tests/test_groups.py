"""The groups are groups, and act as such on inputs and on maps of lower resolution alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.groups import Flip, Group, QuarterTurns, Shifts, Translations

GROUPS: dict[str, tuple[Group, tuple[int, ...], tuple[int, ...]]] = {  # group, input's space, coarser map's space
    "shifts": (Shifts(12), (12,), (4,)),
    "translations": (Translations(4), (4, 4), (2, 2)),
    "quarter turns": (QuarterTurns(), (6, 6), (3, 3)),
    "flip": (Flip(), (6,), (3,)),
}
each_group = pytest.mark.parametrize(("group", "space", "coarse"), GROUPS.values(), ids=GROUPS)


def counting(*shape: int) -> Tensor:
    """A tensor whose entries all differ, so that two different moves give two different tensors."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def can_act(group: Group, x: Tensor) -> list[int]:
    """The elements that move x by whole steps."""

    def acts(g: int) -> bool:
        try:
            group.act(x, g)
        except ValueError:
            return False
        return True

    return [g for g in range(group.order) if acts(g)]


@each_group
def test_axioms(group: Group, space: tuple[int, ...], coarse: tuple[int, ...]) -> None:
    elements = range(group.order)
    for g, h in product(elements, elements):
        assert group.compose(g, h) in elements
        for k in range(min(group.order, 5)):
            assert group.compose(group.compose(g, h), k) == group.compose(g, group.compose(h, k))
    for g in elements:
        assert group.compose(g, 0) == group.compose(0, g) == g
        assert group.compose(g, group.inverse(g)) == group.compose(group.inverse(g), g) == 0


@each_group
@pytest.mark.parametrize("resolution", ["input", "coarser map"])
def test_acting_twice_is_acting_with_the_product(
    group: Group, space: tuple[int, ...], coarse: tuple[int, ...], resolution: str
) -> None:
    x = counting(2, 3, *(space if resolution == "input" else coarse))
    elements = can_act(group, x)
    assert len(elements) == (group.order if resolution == "input" else min(group.order, 4))
    for g, h in product(elements, elements):
        assert torch.equal(group.act(group.act(x, h), g), group.act(x, group.compose(g, h)))
    for g in elements:
        assert torch.equal(group.act(group.act(x, g), group.inverse(g)), x)
        assert torch.equal(group.act(x, g), x) == (g == 0)  # the action is faithful


@each_group
def test_moving_an_input_moves_its_pooled_map_alike(
    group: Group, space: tuple[int, ...], coarse: tuple[int, ...], randn: Callable[..., Tensor]
) -> None:
    x = randn(2, 3, *space)
    pool = F.avg_pool1d if len(space) == 1 else F.avg_pool2d
    window = space[0] // coarse[0]
    for g in can_act(group, pool(x, window)):
        torch.testing.assert_close(pool(group.act(x, g), window), group.act(pool(x, window), g), rtol=0, atol=1e-15)


@each_group
def test_the_result_is_a_new_tensor(group: Group, space: tuple[int, ...], coarse: tuple[int, ...]) -> None:
    x = counting(*space)
    for g in range(group.order):
        group.act(x, g).zero_()
    assert torch.equal(x, counting(*space))


@each_group
def test_each_example_is_moved_by_its_own_element(
    group: Group, space: tuple[int, ...], coarse: tuple[int, ...]
) -> None:
    x = counting(20, 3, *space)
    g = torch.randint(group.order, (20,), generator=torch.Generator().manual_seed(0))
    looped = torch.stack([group.act(example, int(element)) for example, element in zip(x, g, strict=True)])
    assert len(g.unique()) > 1
    assert torch.equal(group.act_each(x, g), looped)


@each_group
def test_the_orbit_holds_every_moved_copy(group: Group, space: tuple[int, ...], coarse: tuple[int, ...]) -> None:
    x = counting(2, *space)
    orbit = group.orbit(x)
    assert orbit.shape == (group.order, 2, *space)
    for g in range(group.order):
        assert torch.equal(orbit[g], group.act(x, g))


def test_which_way_things_move() -> None:
    assert Shifts(4).act(torch.tensor([1, 2, 3, 4]), 1).tolist() == [4, 1, 2, 3]  # to the right
    image = torch.tensor([[1, 2], [3, 4]])
    assert Translations(2).act(image, 2).tolist() == [[3, 4], [1, 2]]  # 2 // 2 down
    assert Translations(2).act(image, 1).tolist() == [[2, 1], [4, 3]]  # 1 % 2 right
    assert QuarterTurns().act(image, 1).tolist() == [[2, 4], [1, 3]]  # counter-clockwise
    assert Flip().act(torch.tensor([1, 2, 3]), 1).tolist() == [3, 2, 1]
    assert [group.order for group, _, _ in GROUPS.values()] == [12, 16, 4, 2]


def test_a_shift_moves_a_coarser_map_by_fewer_steps() -> None:
    assert Shifts(8).act(torch.tensor([1, 2, 3, 4]), 6).tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize(
    ("group", "g", "space"),
    [
        (Shifts(12), 1, (4,)),
        (Shifts(12), 3, (6,)),
        (Translations(4), 1, (2, 2)),  # one pixel right is half a step
        (Translations(4), 4, (2, 2)),  # one pixel down
        (QuarterTurns(), 1, (2, 3)),  # a quarter turn of what is not square has another shape
    ],
    ids=["a third", "a half and a half", "right", "down", "not square"],
)
def test_what_is_no_whole_step_raises(group: Group, g: int, space: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        group.act(counting(1, *space), g)
