"""Fixtures that more than one test file uses, and what tests that run beside each other share."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

# For `python -c` in tests, as `pythonpath` of pyproject.toml is for the tests: the environment may be another clone's
os.environ["PYTHONPATH"] = os.pathsep.join(
    path for path in (str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")) if path
)

CORES = len(os.sched_getaffinity(0))
MOST = 8  # processes: each holds torch, and no number of them is faster than the longest test
BESIDE = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return min(CORES, MOST)


def pytest_configure() -> None:
    """Share the cores out, too: threads that wait for one take many times as long."""
    if BESIDE > 1:
        threads = max(1, CORES // BESIDE)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # for the processes that tests start
        torch.set_num_threads(threads)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process begins with long tests, so that none is left over at the end, when only short ones change hands."""
    if BESIDE == 1:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    items.clear()
    for left in range(BESIDE, 0, -1):  # a process's part is the next of equal size
        first = long[::left]
        rest = max(0, (len(long) + len(short)) // left - len(first))
        items += first + short[:rest]
        del long[::left], short[:rest]


@pytest.fixture
def randn() -> Callable[..., Tensor]:
    """``randn(2, 3)``: normal numbers in float64 from a stream of the test's own."""
    stream = torch.Generator().manual_seed(0)
    return lambda *shape, dtype=torch.float64: torch.randn(*shape, generator=stream, dtype=torch.float64).to(dtype)


@pytest.fixture
def escnn() -> ModuleType:
    """The library of steerable convolutions that ours are compared with."""
    if sys.version_info >= (3, 13):
        pytest.skip("needs Python < 3.13, as escnn does")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`py3nj` package not found")  # needed for SO(3) alone
        import escnn.gspaces
        import escnn.nn
    return escnn
