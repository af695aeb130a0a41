"""What a loss is checked against: the same written as a loop over examples."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn


def check_teaching(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], student: nn.Module, *, gradients: float
) -> None:
    """Orbit's second stage at gamma 0.3: parts, total, and its gradients (relative error `gradients`)."""
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-9), name
    total = 0.7 * expected["task"] + 0.3 * (expected["match"] + expected["augmented"])
    assert found["total"].item() == pytest.approx(total.item(), rel=1e-9)
    weights = list(student.parameters())
    for ours, looped in zip(*(torch.autograd.grad(t, weights) for t in (found["total"], total)), strict=True):
        torch.testing.assert_close(ours, looped, rtol=gradients, atol=1e-12)
