"""The Kullback-Leibler divergence of predictions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def divergence(a: Tensor, b: Tensor) -> Tensor:
    """KL(softmax a || softmax b) in nats of logits a and b (n, k): (n,)."""
    log_p, log_q = F.log_softmax(a, -1), F.log_softmax(b, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)
