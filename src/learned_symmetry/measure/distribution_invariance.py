"""DI, the predictive distribution invariance error (Moskalev et al. 2023, Eq. 1)."""

from __future__ import annotations

from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.divergence import divergence
from learned_symmetry.measure.over_orbit import Function, mean_over_orbit


def distribution_invariance(model: Function, x: Tensor, group: Group) -> float:
    """Mean over inputs x (n, ...) and elements g but the identity of KL(softmax f(x) || softmax f(gx)), in nats."""
    return mean_over_orbit(model, x, group, divergence)
