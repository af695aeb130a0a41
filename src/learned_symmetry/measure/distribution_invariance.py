"""DI, the predictive distribution invariance error (Moskalev et al. 2023, Eq. 1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.over_orbit import Function, mean_over_orbit


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """KL(softmax a || softmax b) in nats of logits a and b (n, k): (n,)."""
    log_p, log_q = F.log_softmax(a, -1), F.log_softmax(b, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def distribution_invariance(model: Function, x: Tensor, group: Group) -> float:
    """Mean over inputs x (n, ...) and elements g but the identity of KL(softmax f(x) || softmax f(gx)), in nats."""
    return mean_over_orbit(model, x, group, divergence)
