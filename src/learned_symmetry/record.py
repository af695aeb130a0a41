"""What a stage measured, written once and whole when it ends.

Two things come out of a stage:

- ``paper/results/SCALE/KEY/STAGE.json``, committed: every metric with the values of all seeds, one row a run, and the
  provenance. Byte for byte the same when the same stage runs again on the same machine, so its times stand beside it,
  in ``STAGE.wall.json``: how long the stage took and, in seconds since 1970, the start and end of its script (``ran``)
  and of each run whose training noted them (``trained``). Pairs, because DVC shows single numbers as metrics.
- ``data/runs/SCALE/KEY/STAGE/``, kept by DVC: ``runs.json`` (parameters, final metrics and histories of each run) and
  one ``state_dict`` a run under ``checkpoints/``. `learned_symmetry.tracking` publishes these to MLflow.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from learned_symmetry.checkpoint import Damaged, load_tensors, save_tensors
from learned_symmetry.config import Settings
from learned_symmetry.errors import UserError
from learned_symmetry.machine import commit, machine
from learned_symmetry.results import read_result as read_result  # so that stages need one import for both directions
from learned_symmetry.results import result_path, runs_folder, summary, wall_path, write_json

SCRATCH = Path("data/scratch")
Network = TypeVar("Network", bound=nn.Module)


@dataclass
class RunRecord:
    """One training run as it is kept: what it was, what it did, where its weights are."""

    name: str  # unique in its stage; slashes order it, as in "pooling/s30/seed0"
    seed: int
    params: dict[str, Any]
    metrics: dict[str, float]
    history: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # name -> (step, value) pairs
    state: dict[str, torch.Tensor] | None = None
    dropped: str | None = None  # the reason, for a run that did not end well
    trained: tuple[float, float] | None = None  # start and end of its training, seconds since 1970


class Stage:
    """Collects what one stage measured; ``write`` puts all of it on disk at once, or nothing.

    `scratch` is a folder for checkpoints of unfinished training. It is no DVC output, so a stage that was killed finds
    it again; its name holds a digest of the settings and of the code, so that nothing stale is ever resumed. `bfloat16`
    is the recipe's.
    """

    def __init__(
        self, cfg: Settings, paper: str, name: str, *, source: str, fingerprint: str = "", bfloat16: bool = False
    ) -> None:
        self.cfg, self.paper, self.name, self.source = cfg, paper, name, source
        autocast = bfloat16 and resolve_device(cfg.engine.device).type == "cuda"
        self.precision = "bfloat16 autocast" if autocast else "float32"
        self.started, self._clock = time.time(), time.perf_counter()
        self.metrics: dict[str, dict[str, Any]] = {}
        self.runs: list[RunRecord] = []
        self.not_run: dict[str, str] = {}  # what could not be measured -> what is missing, and how to supply it
        self.notes: dict[str, Any] = {}  # what is neither a metric nor a run, for the artefacts
        self._leftovers = SCRATCH / cfg.scale / paper / name
        self.scratch = self._leftovers / fingerprint

    def metric(self, name: str, values: Iterable[float | None]) -> None:
        """Record one metric (`artefact.row.column`) with a value a seed; None for a run that was dropped."""
        if name in self.metrics:
            raise ValueError(f"metric {name} was recorded twice")
        self.metrics[name] = summary(values)

    def write(self) -> Path:
        """Write results and runs, remove the scratch folders, print the wall time. Returns the results' path."""
        runs = runs_folder(self.cfg.scale, self.paper, self.name)
        _write_runs(runs, self.runs, self._about())
        result = {
            "metrics": dict(sorted(self.metrics.items())),
            "runs": [_row(run) for run in self.runs],
            "provenance": self._about()
            | {"dropped": {r.name: r.dropped for r in self.runs if r.dropped}}
            | ({"not_run": self.not_run} if self.not_run else {}),
        } | ({"notes": self.notes} if self.notes else {})
        wall = time.perf_counter() - self._clock
        path = result_path(self.cfg.scale, self.paper, self.name)
        write_json(path, result)
        write_json(wall_path(self.cfg.scale, self.paper, self.name), self._times(wall))
        shutil.rmtree(self._leftovers, ignore_errors=True)  # those of other settings and older code too
        print(f"{self.paper}/{self.name}: {len(self.runs)} runs, {len(self.metrics)} metrics, {wall:.1f} s", flush=True)
        return path

    def _times(self, wall: float) -> dict[str, Any]:
        trained = {run.name: [round(moment, 3) for moment in run.trained] for run in self.runs if run.trained}
        ran = [round(self.started, 3), round(self.started + wall, 3)]
        return {"wall_seconds": round(wall, 1), "ran": ran, "trained": trained, **commit(Path.cwd())}

    def _about(self) -> dict[str, Any]:
        return {
            "paper": self.paper,
            "stage": self.name,
            "scale": self.cfg.scale,
            "data": self.source,
            "device": device_name(self.cfg.engine.device),
            "precision": self.precision,
            **machine(),
        }


def resolve_device(choice: str) -> torch.device:
    """``auto`` is a GPU where there is one."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: engine.device is cuda, but torch finds no GPU; set it to auto or cpu")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(choice: str) -> str:
    """The device as it is printed beside results."""
    if resolve_device(choice).type == "cuda":
        return torch.cuda.get_device_name()
    told = machine()
    return f"CPU {told['processor']}, {told['instruction_set']}, {told['threads']} threads"


def load_state(scale: str, paper: str, stage: str, run: str) -> dict[str, torch.Tensor]:
    """The weights of one run of a stage. Raises `UserError` with the command that makes them."""
    path = runs_folder(scale, paper, stage) / checkpoint_name(run)
    try:
        return load_tensors(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` (stage {stage} of {paper}) at scale {scale}") from None
    except Damaged as error:
        raise UserError(
            f"{path} holds no weights ({error.reason}); delete {path.parent.parent} and run `dvc repro`"
        ) from error


def restore(network: Network, scale: str, paper: str, stage: str, run: str) -> Network:
    """`network` with the weights of one run of a stage. Raises `UserError` without them, and for another network's."""
    try:
        network.load_state_dict(load_state(scale, paper, stage, run))
    except (RuntimeError, TypeError, AttributeError) as error:  # torch's, for other names or shapes
        path = runs_folder(scale, paper, stage) / checkpoint_name(run)
        raise UserError(
            f"{path} holds the weights of another network than {type(network).__name__}; delete {path.parent.parent} "
            f"and run `dvc repro` (stage {stage} of {paper}) at scale {scale}"
        ) from error
    return network


def checkpoint_name(run: str) -> str:
    return f"checkpoints/{run.replace('/', '-')}.pt"


def told(x: torch.Tensor) -> list[Any]:
    """Numbers as notes keep them for a figure: four digits."""
    return x.double().mul(1e4).round().div(1e4).tolist()


def _row(run: RunRecord) -> dict[str, Any]:
    row = {"name": run.name, "seed": run.seed, "params": run.params, "metrics": _finite(run.metrics)}
    return row | ({"dropped": run.dropped} if run.dropped else {})


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _write_runs(folder: Path, runs: Sequence[RunRecord], about: dict[str, Any]) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "checkpoints").mkdir(parents=True)
    rows = []
    for run in runs:
        if run.state is not None:
            save_tensors(part / checkpoint_name(run.name), run.state)
        history = {name: [(s, v if math.isfinite(v) else None) for s, v in h] for name, h in run.history.items()}
        rows.append(
            _row(run)
            | {
                "history": history,
                "checkpoint": checkpoint_name(run.name) if run.state is not None else None,
            }
        )
    write_json(part / "runs.json", {"about": about, "runs": rows})
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
