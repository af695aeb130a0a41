"""Fixtures that more than one test file uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def randn() -> Callable[..., Tensor]:
    """``randn(2, 3)``: normal numbers in float64 from a stream of the test's own."""
    stream = torch.Generator().manual_seed(0)
    return lambda *shape, dtype=torch.float64: torch.randn(*shape, generator=stream, dtype=torch.float64).to(dtype)
