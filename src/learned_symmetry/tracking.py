"""MLflow as a view of what the stages wrote: one experiment a paper, one parent run a stage, one child a training run.

The files are the record (`learned_symmetry.record`); the store is built from them, never read back, and may be deleted
at any time. Only this module imports mlflow, inside its functions, because that takes seconds.

The store is ``mlflow/`` in the repository's root (SQLite and a folder of artifacts), or MLFLOW_TRACKING_URI. In the
former, checkpoints are hard links to those in ``data/runs`` where the file system can.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.util
import json
import math
import os
import posixpath
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from learned_symmetry.errors import UserError
from learned_symmetry.machine import commit
from learned_symmetry.results import (
    RunsShape,
    WallShape,
    read_json,
    read_made,
    read_result,
    result_digest,
    result_path,
    runs_folder,
    wall_path,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

GIT = {"mlflow.source.git.commit": "commit", "git_dirty": "dirty"}  # tag -> key of a wall file

METRICS_A_CALL, PARAMS_A_CALL = 900, 100  # MLflow takes 1,000 of both together, and at most 100 parameters
KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH = 250, 6000, 5000  # characters
VIEW, WORKFLOW = "stages", "workflowType=machine_learning"  # in addresses: the table of stages; not that of traces

ENVIRONMENT = {  # unless set otherwise; mlflow reads some of it when it is imported
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines a run, where the store is a server
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its 7 wait four minutes for a server that is not there
}


def installed() -> bool:
    """Whether there is an mlflow to publish to."""
    return importlib.util.find_spec("mlflow") is not None


def has_results(scale: str, paper: str, stage: str) -> bool:
    """Whether both halves of a stage's record are there: the results, and the runs that DVC keeps."""
    return result_path(scale, paper, stage).exists() and _runs_path(scale, paper, stage).exists()


def digest(scale: str, paper: str, stage: str) -> str:
    """Stable digest of everything that is published of a stage; raises `UserError` where a file is missing."""
    total, runs = hashlib.sha256(), _runs_path(scale, paper, stage)
    named = [run["checkpoint"] for run in _read_runs(scale, paper, stage)["runs"]]
    for path in (result_path(scale, paper, stage), runs, *(runs.parent / name for name in named if name)):
        try:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            raise _missing(path, scale, paper, stage) from None
    return total.hexdigest()[:16]


@dataclass(frozen=True)
class Span:
    """When something started and ended, in milliseconds since 1970."""

    start: int
    end: int

    @classmethod
    def of(cls, seconds: Sequence[float] | None) -> Span:
        """Start and end in seconds; now for both, where they were not noted."""
        start, end = seconds or (time.time(),) * 2
        return cls(int(start * 1000), int(end * 1000))

    def at(self, share: float) -> int:
        return self.start + int((self.end - self.start) * share)


def publish(scale: str, paper: str, stage: str) -> bool:
    """Put one stage into the store, unless these very files are there already; says whether it was published.

    A parent counts as published once it is FINISHED, and that is written last: what a killed publisher left behind is
    removed and published anew. Changed results become a new parent beside the old one. The git tags name the commit
    that ran, or where that was not noted the one that publishes. Start and end are the script's, and a training run's
    its own, where they were noted (`learned_symmetry.record`).

    Raises `UserError` when a result is missing, mlflow cannot be imported, or the store cannot be used.
    """
    result, content = read_result(scale, paper, stage), _read_runs(scale, paper, stage)
    key, folder = digest(scale, paper, stage), _runs_path(scale, paper, stage).parent
    with _store(paper) as (client, experiment):
        _remove_unfinished(client, experiment, paper, stage, scale)
        if client.search_runs([experiment], f"tags.digest = '{key}' and attributes.status = 'FINISHED'", max_results=1):
            return False
        times = _times(scale, paper, stage)
        span = Span.of(times.get("ran"))
        tags = _tags(scale, paper, stage, content["about"], times)
        parent = client.create_run(experiment, span.start, {**tags, "digest": key}, stage).info.run_id
        for run in content["runs"]:
            own = Span.of(times.get("trained", {}).get(run["name"], times.get("ran")))
            _child(client, experiment, run, own, {**tags, "mlflow.parentRunId": parent}, folder)
        means = {name: entry["mean"] for name, entry in result["metrics"].items()}
        _log(client, parent, _finals(means | {"wall_seconds": times.get("wall_seconds")}, span), {})
        client.log_artifact(parent, str(result_path(scale, paper, stage)))
        client.set_terminated(parent, "FINISHED", span.end)
    return True


def arrange(paper: str, metrics: Sequence[str]) -> str | None:
    """Lay out the table of a paper's stages: a row a stage, the metrics as columns, names as wide as they are.

    Returns the table's address below the server's, or None where nothing of the paper is in the store. MLflow's own
    first view has no metric and cuts names; it takes another only as the shared view that an address names.

    Raises `UserError` as `publish` does.
    """
    with _store(paper) as (client, experiment):
        stages = client.search_runs([experiment], "tags.digest LIKE '%'")
        if not stages:
            return None
        client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", _view(stages, metrics))
    return f"?{WORKFLOW}#/experiments/{experiment}/runs?{WORKFLOW}&viewStateShareKey={VIEW}"


def _view(stages: Sequence[Run], metrics: Sequence[str]) -> str:
    """The layout as MLflow's page keeps it: compressed JSON of the fields that differ from its defaults."""
    measured = {name for stage in stages for name in stage.data.metrics}
    shown = [key for key in map(_key, metrics) if key in measured]
    columns = {"tags.`scale`": "scale"} | {f"metrics.`{name}`": name for name in shown}
    longest = max((stage.info.run_name for stage in stages), key=len)
    widths = {
        "0": 75,  # the checkbox
        "attributes.`Run Name`": 25 + _width(longest),  # with the marks before it
        "runDateAndNestInfo": 150,
        "duration": 90,
    } | {column: _width(title) for column, title in columns.items()}
    state = {
        "searchFilter": "tags.digest LIKE '%'",  # without their children
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "selectedColumns": list(columns),
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()


def _width(title: str) -> int:
    """Pixels of a column whose longest text is the title, with room for the buttons beside it."""
    return 50 + 7 * len(title)


def _child(
    client: MlflowClient, experiment: str, run: Mapping[str, Any], span: Span, tags: dict[str, str], folder: Path
) -> None:
    dropped = run.get("dropped")
    tags = tags | {"seed": str(run["seed"])} | ({"dropped": dropped[:TAG_LENGTH]} if dropped else {})
    child = client.create_run(experiment, span.start, tags, run["name"])
    # a name of its own, or the last value of a history of the same name would stand for the final one
    metrics = _finals({f"final/{name}": value for name, value in run["metrics"].items()}, span)
    _log(client, child.info.run_id, _histories(run["history"], span) + metrics, _flat(run["params"]))
    if run["checkpoint"]:
        _attach(client, child, folder / run["checkpoint"])
    client.set_terminated(child.info.run_id, "FAILED" if dropped else "FINISHED", span.end)


def _attach(client: MlflowClient, run: Run, checkpoint: Path) -> None:
    """Add a checkpoint: as a hard link in the local store, as a copy on a server or where the file system has no links.

    What is linked is made read-only, for whoever wrote into it would change the store, and DVC's cache behind it.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        folder = Path(url2pathname(urlsplit(run.info.artifact_uri).path)) / "checkpoints"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.chmod(0o444)
            (folder / checkpoint.name).hardlink_to(checkpoint)
        except OSError:
            pass  # a copy then, which also tells of a full disk
        else:
            return
    client.log_artifact(run.info.run_id, str(checkpoint), "checkpoints")


def _log(client: MlflowClient, run: str, metrics: Sequence[Metric], params: Mapping[str, str]) -> None:
    """In as few transactions as MLflow's limits allow: each costs 15 ms, however much is in it."""
    from mlflow.entities import Param

    listed = [Param(_key(name), value[:PARAM_LENGTH]) for name, value in params.items()]
    for i in range(max(math.ceil(len(metrics) / METRICS_A_CALL), math.ceil(len(listed) / PARAMS_A_CALL))):
        some = metrics[i * METRICS_A_CALL : (i + 1) * METRICS_A_CALL]
        client.log_batch(run, metrics=some, params=listed[i * PARAMS_A_CALL : (i + 1) * PARAMS_A_CALL])


def _finals(values: Mapping[str, float | None], span: Span) -> list[Metric]:
    return _metrics({name: [(0, value)] for name, value in values.items()}, lambda _: span.end)


def _histories(history: Mapping[str, Sequence[tuple[int, float | None]]], span: Span) -> list[Metric]:
    """Each step at its share of the time, for steps take equally long."""
    last = max((step for points in history.values() for step, _ in points), default=0)
    return _metrics(history, lambda step: span.at(step / last if last else 1))


def _metrics(history: Mapping[str, Sequence[tuple[int, float | None]]], when: Callable[[int], int]) -> list[Metric]:
    from mlflow.entities import Metric

    return [
        Metric(_key(name), float(value), when(step), int(step))
        for name, points in history.items()
        for step, value in points
        if value is not None and math.isfinite(value)
    ]


def _key(name: str) -> str:
    """A name that MLflow takes; what had to be changed gets a checksum, so that two names never become one."""
    key = posixpath.normpath(re.sub(r"[^\w. :/-]", "_", name, flags=re.ASCII)).lstrip("./")
    return key if key == name and len(key) <= KEY_LENGTH else f"{key[:200]}_{zlib.crc32(name.encode()):08x}"


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _tags(scale: str, paper: str, stage: str, about: Mapping[str, Any], times: Mapping[str, Any]) -> dict[str, str]:
    """What parent and children are found by; the commit is that of the run, or where it was not noted, today's."""
    renamed = {"data_source" if name == "data" else name: str(value) for name, value in about.items()}
    experiment = os.environ.get("DVC_EXP_NAME")
    code = times if "commit" in times else commit(Path.cwd())
    tags = renamed | {"paper": paper, "stage": stage, "scale": scale}
    tags |= {name: code[key] for name, key in GIT.items() if key in code}
    tags |= {"result": result_digest(scale, paper, stage)}  # by which the report's page finds the runs behind a number
    return tags | ({"dvc_experiment": experiment} if experiment else {})


def _remove_unfinished(client: MlflowClient, experiment: str, paper: str, stage: str, scale: str) -> None:
    """Delete what a killed publisher left of a stage; only one publishes at a time, so nobody is at work on it."""

    def remove(run: str) -> None:
        client.delete_run(run)
        shutil.rmtree(_home() / "artifacts" / paper / run, ignore_errors=True)  # MLflow itself keeps them

    parents = f"tags.digest LIKE '%' and tags.stage = '{stage}' and tags.scale = '{scale}'"
    for parent in client.search_runs([experiment], f"{parents} and attributes.status != 'FINISHED'"):
        # children first, so that a parent that was left is found again; deleted runs are not listed
        while children := client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"):
            for child in children:
                remove(child.info.run_id)
        remove(parent.info.run_id)


@contextmanager
def _store(paper: str) -> Iterator[tuple[MlflowClient, str]]:
    """The client and the paper's experiment, made where missing, under a lock that others of this repository wait for.

    Without the lock two processes that create the store at once break each other's migrations.
    """
    os.environ.update({**ENVIRONMENT, **os.environ})
    try:
        import mlflow
        from filelock import FileLock
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise UserError(f"MLflow cannot be imported ({error}); `pip install mlflow` mends it") from None
    home, uri = _home(), os.environ.get("MLFLOW_TRACKING_URI")
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "store.lock"):
            client = _client(uri or f"sqlite:///{home / 'mlflow.db'}")
            known = client.get_experiment_by_name(paper)
            place = None if uri else (home / "artifacts" / paper).as_uri()  # a server knows best where its own belong
            yield client, known.experiment_id if known else client.create_experiment(paper, artifact_location=place)
    except (mlflow.MlflowException, SQLAlchemyError, OSError) as error:
        where = "at MLFLOW_TRACKING_URI" if uri else f"in {home}"
        mend = "check it, or unset the variable for the local store" if uri else f"delete {home} to have it built anew"
        cause = re.sub(r"//[^/@\s]*@", "//", (str(error).splitlines() or [""])[0])  # no password of a database's URL
        raise UserError(
            f"the MLflow store {where} cannot be used ({type(error).__name__}: {cause[:200]}); {mend}, "
            "then run `make mlflow`; no result is lost"
        ) from error


@functools.cache
def _client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _home() -> Path:
    """The local store's folder; DVC names the repository's root also in the temporary copy where an experiment runs."""
    return (Path(os.environ.get("DVC_ROOT") or ".") / "mlflow").resolve()


def _times(scale: str, paper: str, stage: str) -> dict[str, Any]:
    """When a stage and its runs ran: no part of the results, nor of their digest."""
    path = wall_path(scale, paper, stage)
    return dict(read_made(path, WallShape, scale, paper, stage)) if path.exists() else {}


def _runs_path(scale: str, paper: str, stage: str) -> Path:
    return runs_folder(scale, paper, stage) / "runs.json"


def _read_runs(scale: str, paper: str, stage: str) -> dict[str, Any]:
    path = _runs_path(scale, paper, stage)
    try:
        return read_json(path, RunsShape, f"delete {path.parent} and run `dvc repro` (stage {stage} of {paper})")
    except FileNotFoundError:
        raise _missing(path, scale, paper, stage) from None


def _missing(path: Path, scale: str, paper: str, stage: str) -> UserError:
    return UserError(f"{path} is missing; run `dvc repro` (stage {stage} of {paper}) at scale {scale}")
