"""How much of the machine's own matrix-product speed a student's training step reaches; nothing is required."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks import common

SIZE, ROUNDS = 2000, 9
WORKLOADS = {"1 student, batch 1000": (1, 1000), "15 stacked students, batch 100": (15, 100)}


def flops(runs: int, batch: int) -> int:
    """Of both layers' forward and backward pass; the first needs no gradient of its input.

    The second layer's backward pass visits the 10 of its 400 units that are the maximum of a channel.
    """
    first, second = 40 * 600, 600 * 400
    return round(2 * runs * batch * (2 * first + (1 + 2 / 40) * second))


@common.group(f"share of the float32 peak ({SIZE} x {SIZE} product, 1 thread) of a KD step with its update")
@pytest.mark.parametrize("workload", WORKLOADS)
def test_peak(benchmark: Any, remember: Callable[..., None], workload: str) -> None:
    """FLOPs of the layers' products / CPU time / the rate of one large product, measured in the same rounds."""
    runs, batch = WORKLOADS[workload]
    step = common.EngineStep(common.student_runs(runs), batch)
    a, b = torch.randn(2, SIZE, SIZE, generator=common.generator(0, "benchmark", "peak"))

    def product() -> common.Result:
        return {"product": a @ b}

    found = common.race(benchmark, step.train, {"product": product}, rounds=ROUNDS, error=0.0)
    peak = 2 * SIZE**3 / found.rivals_ms["product"] / 1e6  # GFLOP/s
    reached = flops(runs, batch) / found.ms / 1e6
    benchmark.extra_info.update(peak_gflops=peak, gflops=reached, share=reached / peak)
    remember(workload, f"{found.ms:.2f} ms, {reached:.1f} of {peak:.1f} GFLOP/s, {reached / peak:.0%} of the peak")
    assert 0 < reached <= 1.1 * peak  # more would be a miscount
