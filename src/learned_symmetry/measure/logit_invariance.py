"""LI, the logit invariance error (Moskalev et al. 2023, Eq. 2)."""

from __future__ import annotations

from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.over_orbit import Function, mean_over_orbit


def half_square(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared distance of logits a and b (n, k): (n,)."""
    return (a - b).square().sum(-1) / 2


def logit_invariance(model: Function, x: Tensor, group: Group) -> float:
    """Mean over inputs x (n, ...) and elements g but the identity of |f(x) - f(gx)|^2 / 2; 0 for an invariant f."""
    return mean_over_orbit(model, x, group, half_square)
