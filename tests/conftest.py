"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

# For `python -c` in tests, as `pythonpath` of pyproject.toml is for the tests: the environment may be another clone's
os.environ["PYTHONPATH"] = os.pathsep.join(
    path for path in (str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")) if path
)


@pytest.fixture
def randn() -> Callable[..., Tensor]:
    """``randn(2, 3)``: normal numbers in float64 from a stream of the test's own."""
    stream = torch.Generator().manual_seed(0)
    return lambda *shape, dtype=torch.float64: torch.randn(*shape, generator=stream, dtype=torch.float64).to(dtype)
