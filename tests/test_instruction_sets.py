"""Training is right with the vector instructions of this processor, and with AVX2 alone, which many others have.

oneDNN 3.12 (torch 2.13) writes past a buffer in the backward pass of a strided 1 x 1 convolution of few channels
(uxlfoundation/oneDNN issue 6035): a crash, a hang or wrong gradients, on some processors only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from learned_symmetry.workers import killed_by

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
TOLERANCE = 1e-4  # between gradients by oneDNN and by torch's own code, both in float32


@pytest.mark.parametrize("limits", [{}, AVX2], ids=["native", "AVX2"])
def test_every_configured_network_makes_a_training_step_with_the_right_gradients(limits: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.training_step"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[1], env=os.environ | limits, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            told, _ = child.communicate(timeout=400)
        except subprocess.TimeoutExpired:  # a heap that is corrupt may also make it wait for ever
            child.kill()
            told, _ = child.communicate()
    lines = told.splitlines()
    assert child.returncode == 0, f"{killed_by([child.returncode])}; the network after {lines[-1:]}"
    wrong = [line for line in lines if not float(line.split()[0]) < TOLERANCE]
    assert wrong == []
    assert len(lines) > 100
