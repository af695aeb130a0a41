"""Where result files are, reading one and writing one whole; nothing here imports torch, so that drawing starts fast.

``paper/results/SCALE/KEY/STAGE.json`` is written by `learned_symmetry.record` (its docstring has the layout).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from learned_symmetry.errors import UserError

RESULTS = Path("paper/results")  # committed
RUNS = Path("data/runs")  # checkpoints and histories, kept by DVC


def result_path(scale: str, paper: str, stage: str) -> Path:
    return RESULTS / scale / paper / f"{stage}.json"


def wall_path(scale: str, paper: str, stage: str) -> Path:
    return result_path(scale, paper, stage).with_suffix(".wall.json")


def runs_folder(scale: str, paper: str, stage: str) -> Path:
    return RUNS / scale / paper / stage


def read_result(scale: str, paper: str, stage: str) -> dict[str, Any]:
    """The results of a stage. Raises `UserError` with the command that makes them."""
    path = result_path(scale, paper, stage)
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` (stage {stage} of {paper}) at scale {scale}") from None
    except json.JSONDecodeError:
        raise UserError(f"{path} is not valid JSON; delete it and run `dvc repro`") from None


def result_digest(scale: str, paper: str, stage: str) -> str:
    """What a stage's results are found by in MLflow (tag ``result``): the start of the file's SHA-256."""
    return hashlib.sha256(result_path(scale, paper, stage).read_bytes()).hexdigest()[:16]


def write_json(path: Path, content: Any) -> None:
    """Write sorted, readable JSON atomically; NaN is refused, so that a file is valid JSON everywhere."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """All of the file or none of it, whatever interrupts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)  # or a power cut may leave the name, and nothing under it
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def summary(values: Iterable[float | None]) -> dict[str, Any]:
    """Mean, sample standard deviation (null for one value), count and the values of the runs that were kept."""
    kept = [None if v is None or not math.isfinite(v) else float(v) for v in values]
    finite = [v for v in kept if v is not None]
    return {
        "mean": statistics.fmean(finite) if finite else None,
        "std": statistics.stdev(finite) if len(finite) > 1 else None,
        "n": len(finite),
        "values": kept,
    }
