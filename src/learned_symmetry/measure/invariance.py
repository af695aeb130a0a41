"""How far a function is from invariance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from learned_symmetry.groups import Group


@torch.no_grad()
def invariance_gap(function: Callable[[Tensor], Tensor], x: Tensor, group: Group) -> float:
    """Mean over inputs x (n, ...) and elements g of |f(gx) - f(x)| / |f(x)|; 0 for an invariant f.

    f gives (n, k); norms are Euclidean over k. The identity is left out of the mean.
    """
    still = function(x)
    norm = still.norm(dim=-1)
    gaps = [(function(group.act(x, g)) - still).norm(dim=-1) / norm for g in range(1, group.order)]
    return torch.stack(gaps).mean().item()
