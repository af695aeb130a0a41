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
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from learned_symmetry.errors import UserError

RESULTS = Path("paper/results")  # committed
RUNS = Path("data/runs")  # checkpoints and histories, kept by DVC


class Shape(BaseModel):
    """What must stand in a JSON file that is read; it may hold more. Numbers are finite."""

    model_config = ConfigDict(strict=True)


class MetricShape(Shape):
    mean: FiniteFloat | None
    std: FiniteFloat | None
    n: int
    values: list[FiniteFloat | None]


class RunShape(Shape):
    name: str
    seed: int
    params: dict[str, Any]
    metrics: dict[str, FiniteFloat | None]


class ProvenanceShape(Shape):
    data: str
    device: str
    dropped: dict[str, str]
    not_run: dict[str, str] = {}


class ResultShape(Shape):
    metrics: dict[str, MetricShape]
    runs: list[RunShape]
    provenance: ProvenanceShape


Moments = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]  # start and end, seconds since 1970


class WallShape(Shape):
    wall_seconds: FiniteFloat
    ran: Moments | None = None
    trained: dict[str, Moments] = {}


Point = Annotated[list[FiniteFloat | None], Field(min_length=2, max_length=2)]  # step and value


class KeptRunShape(RunShape):
    history: dict[str, list[Point]]
    checkpoint: str | None


class RunsShape(Shape):
    about: dict[str, Any]
    runs: list[KeptRunShape]


class Content(dict[str, Any]):
    """A mapping from a JSON file. A key that it lacks is an error that the user can mend, and the message tells."""

    def __init__(self, content: dict[str, Any], what: str, mend: str) -> None:
        super().__init__(content)
        self.what, self.mend = what, mend

    def __missing__(self, key: str) -> Any:
        raise UserError(f"{self.what} has no {key}; {self.mend}")


def result_path(scale: str, paper: str, stage: str) -> Path:
    return RESULTS / scale / paper / f"{stage}.json"


def wall_path(scale: str, paper: str, stage: str) -> Path:
    return result_path(scale, paper, stage).with_suffix(".wall.json")


def runs_folder(scale: str, paper: str, stage: str) -> Path:
    return RUNS / scale / paper / stage


def read_result(scale: str, paper: str, stage: str) -> dict[str, Any]:
    """The results of a stage. Raises `UserError` with the command that makes them, where they are missing or broken."""
    return read_made(result_path(scale, paper, stage), ResultShape, scale, paper, stage)


def read_wall(scale: str, paper: str, stage: str) -> float | None:
    """A stage's wall time in seconds, or None where it was not kept. Raises `UserError` for a file that holds none."""
    path = wall_path(scale, paper, stage)
    return read_made(path, WallShape, scale, paper, stage)["wall_seconds"] if path.exists() else None


def read_made(path: Path, shape: type[Shape], scale: str, paper: str, stage: str) -> Content:
    """A JSON file that a stage writes. Raises `UserError` for one that is missing or broken, with that stage.

    A key that is read later and is not there, or not in one of the mappings in it, raises `UserError` too.
    """
    again = f"run `dvc repro` (stage {stage} of {paper}) at scale {scale}"
    try:
        content = read_json(path, shape, f"delete it and {again}")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {again}") from None
    mend = f"delete {path} and {again}"
    parts = {key: Content(part, f"{path}: {key}", mend) for key, part in content.items() if isinstance(part, dict)}
    return Content(content | parts, str(path), mend)


def read_json(path: Path, shape: type[Shape], mend: str) -> dict[str, Any]:
    """A JSON file as it is. Raises `UserError` with the mend where it is no JSON or has not that shape."""
    try:
        content = json.loads(path.read_text(), parse_constant=_refused)
        shape.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        told = {"missing": "is missing", "model_type": "should be a mapping", "dict_type": "should be a mapping"}
        what = told.get(first["type"], first["msg"].removeprefix("Input ").removeprefix("List "))
        raise UserError(f"{': '.join(map(str, (path, *first['loc'])))} {what}; {mend}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not valid JSON; {mend}") from None
    return content


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def result_digest(scale: str, paper: str, stage: str) -> str:
    """What a stage's results are found by in MLflow (tag ``result``): the start of the file's SHA-256."""
    return hashlib.sha256(result_path(scale, paper, stage).read_bytes()).hexdigest()[:16]


def write_json(path: Path, content: Any) -> None:
    """Write sorted, readable JSON atomically; NaN is refused, so that a file is valid JSON everywhere."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """All of the file or none of it, whatever interrupts. An `OSError` names `path`."""
    try:
        _write_whole(path, content)
    except OSError as error:  # which names the temporary file, or none
        error.filename, error.filename2 = str(path), None
        raise


def _write_whole(path: Path, content: bytes | memoryview) -> None:
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
