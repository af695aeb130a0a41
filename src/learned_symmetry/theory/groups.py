"""Small abstract groups and how they act on finite sets.

An action is a tensor (|G|, n): element g sends point x to ``action[g, x]``; element 0 is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor


@dataclass(frozen=True)
class Abstract:
    """A group by its multiplication table: ``table[g, h]`` is the element that acts as h first, then g."""

    table: Tensor  # (|G|, |G|)
    transitive: tuple[Tensor, ...]  # its actions on one orbit each, (|G|, size)


def cyclic(order: int) -> Abstract:
    """C_order, with its actions on one point and on itself."""
    g = torch.arange(order)
    table = (g[:, None] + g) % order
    return Abstract(table, (torch.zeros(order, 1, dtype=torch.long), table))


def symmetric3() -> Abstract:
    """S_3, with its actions on one point, on the two cosets of C_3, on three points and on itself."""
    points = sorted(permutations(range(3)))
    table = torch.tensor([[points.index(tuple(g[h[x]] for x in range(3))) for h in points] for g in points])
    odd = torch.tensor([sum(g[i] > g[j] for i in range(3) for j in range(i + 1, 3)) % 2 for g in points])
    cosets = (odd[:, None] + torch.arange(2)) % 2
    return Abstract(table, (torch.zeros(6, 1, dtype=torch.long), cosets, torch.tensor(points), table))


GROUPS = {"S2": cyclic(2), "C3": cyclic(3), "C4": cyclic(4), "S3": symmetric3()}


def disjoint(actions: list[Tensor]) -> Tensor:
    """The action on the disjoint union of sets, (|G|, sum of sizes)."""
    shifted, size = [], 0
    for action in actions:
        shifted.append(action + size)
        size += action.shape[1]
    return torch.cat(shifted, 1)


def actions(group: Abstract, size: int) -> list[Tensor]:
    """Every action on `size` points that is a disjoint union of the transitive ones, up to the points' names."""

    def unions(left: int, first: int) -> list[list[Tensor]]:
        if left == 0:
            return [[]]
        return [
            [orbit, *rest]
            for number, orbit in enumerate(group.transitive[first:], start=first)
            if orbit.shape[1] <= left
            for rest in unions(left - orbit.shape[1], number)
        ]

    return [disjoint(union) for union in unions(size, 0)]


def matrices(action: Tensor) -> Tensor:
    """The permutation representation (|G|, n, n) of an action: matrix g sends e_x to e_{gx}."""
    return torch.eye(action.shape[1], dtype=torch.float64)[action].mT


def relabelled(action: Tensor, names: Tensor) -> Tensor:
    """An action (..., |G|, n) carried over by the bijections `names` (..., n): phi o alpha_g o phi^-1 (Lemma D.3)."""
    names = names.unsqueeze(-2).expand(*names.shape[:-1], *action.shape[-2:])
    action = action.expand_as(names)
    return names.gather(-1, action.gather(-1, names.argsort(-1)))


def axiom_failures(action: Tensor, group: Abstract) -> int:
    """How many of the equations e x = x and (gh) x = g (h x) an action (..., |G|, n) breaks."""
    points = torch.arange(action.shape[-1])
    after = action.unsqueeze(-2).expand(*action.shape[:-1], len(group.table), -1)  # [g, h, x]
    first = action.unsqueeze(-3).expand_as(after)
    broken = after.gather(-1, first) != action[..., group.table, :]
    return int((action[..., 0, :] != points).sum() + broken.sum())
