"""The relative invariance error of Bökman and Kahl 2023 (Section 4, Tables 2 and 3)."""

from __future__ import annotations

from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.over_orbit import Function, mean_over_orbit
from learned_symmetry.precision import ieee_float32


def relative_distance(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| in units of the mean of |a| and |b|, of logits (n, k): (n,), from 0 to 2; 0 where both are 0."""
    distance, norms = (a - b).norm(dim=-1), (a.norm(dim=-1) + b.norm(dim=-1)) / 2
    return distance / norms.clamp(min=1e-30)


def relative_invariance(model: Function, x: Tensor, group: Group) -> float:
    """Mean of `relative_distance` of f(x) and f(gx) over inputs x (n, ...) and elements g but the identity.

    0 for an invariant f, up to rounding: never in TF32.
    """
    with ieee_float32():
        return mean_over_orbit(model, x, group, relative_distance)
