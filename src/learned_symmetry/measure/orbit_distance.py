"""How far apart a network keeps the moved copies of an input, beside other inputs of its class (moskalev2023 2.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.over_orbit import Function


@torch.no_grad()
def orbit_distance_ratio(latent: Function, x: Tensor, group: Group, y: Tensor | None = None) -> float:
    """Median over inputs x (n, ...) and elements but the identity of |z(x) - z(gx)|, divided by the median distance of
    two different inputs with the same label y (n,); without labels, of any two. `latent` gives z (n, k).

    Of the n moved copies of x one each is compared with others' (input i moved by element i mod |G|).
    """
    z = torch.stack([latent(group.act(x, g)) for g in range(group.order)])  # (order, n, k)
    within = (z[1:] - z[0]).norm(dim=-1).median()
    at = torch.arange(len(x), device=x.device)
    others = torch.cdist(z[at % group.order, at], z[at % group.order, at])
    pairs = torch.ones_like(others, dtype=torch.bool) if y is None else y.unsqueeze(0) == y.unsqueeze(1)
    return (within / others[pairs.triu(1)].median()).item()
