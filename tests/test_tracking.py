"""The MLflow view: what is published, once and whole, and what happens where it cannot be."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import math
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from learned_symmetry import record, tracking
from learned_symmetry.errors import UserError
from learned_symmetry.results import result_digest, runs_folder, wall_path
from stages import publish
from tests.synthetic import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # mlflow's own use of SQL

CFG: Any = SimpleNamespace(scale="smoke", engine=SimpleNamespace(device="cpu"))
PAPER = "nix2022"


def write_stage(name: str, accuracy: float = 0.5) -> None:
    """Results and runs of a made-up stage with three training runs, one of them dropped."""
    stage = record.Stage(CFG, PAPER, name, source="stand-in")
    stage.metric("fig2.kd.s30_unseen", [accuracy, accuracy + 0.1, None])
    stage.metric("fig2.kd.gap", [None])
    for seed in range(3):
        run = record.RunRecord(
            f"pooling/s30/seed{seed}",
            seed,
            params={"train": {"lr": 1e-3, "layers": [1, 2]}, "head": "pooling", "γ=1": None},
            metrics={"accuracy": accuracy + seed / 10, "gap": math.nan},
            history={"accuracy": [(0, 0.1), (10, math.nan), (20, 0.3)]},
            state={"weight": torch.full((2, 2), float(seed))},
        )
        if seed == 2:
            run.state, run.dropped = None, "loss is NaN at step 10"
        stage.runs.append(run)
    stage.runs[1].params |= {f"extra{i}": i for i in range(130)}
    stage.runs[1].history["loss"] = [(step, step / 7) for step in range(2000)]
    stage.write()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder, with a space in its name, and the store that most tests share."""
    folder = tmp_path_factory.mktemp("a house")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def client(root: Path) -> MlflowClient:
    """A client of its own; "kd" has been published before it looks."""
    from mlflow import MlflowClient

    write_stage("kd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_EXP_NAME", "tidy-fox")
        assert tracking.publish("smoke", PAPER, "kd")
    return MlflowClient(f"sqlite:///{root}/mlflow/mlflow.db")


def parents(client: MlflowClient, stage: str) -> list[Run]:
    experiment = client.get_experiment_by_name(PAPER).experiment_id
    return client.search_runs([experiment], f"tags.stage = '{stage}' and tags.digest LIKE '%'")


def children(client: MlflowClient, parent: Run) -> list[Run]:
    which = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return client.search_runs([parent.info.experiment_id], which, order_by=["tags.seed"])


def stored(root: Path, run: Run, name: str) -> Path:
    """An artifact in the local store itself; the client gives out copies."""
    return root / "mlflow/artifacts" / PAPER / run.info.run_id / "artifacts" / name


def test_a_stage_is_a_parent_with_its_means_and_its_file(client: MlflowClient) -> None:
    (parent,) = parents(client, "kd")
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "kd"
    wanted = {"paper": PAPER, "stage": "kd", "scale": "smoke", "data_source": "stand-in", "dvc_experiment": "tidy-fox"}
    assert wanted.items() <= parent.data.tags.items()
    assert parent.data.tags["device"].startswith("CPU")
    assert parent.data.metrics["fig2.kd.s30_unseen"] == pytest.approx(0.55)
    assert "wall_seconds" in parent.data.metrics
    assert "fig2.kd.gap" not in parent.data.metrics, "what was not measured is absent, never 0"
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["kd.json"]


def test_each_run_is_a_child_with_parameters_curves_and_weights(client: MlflowClient) -> None:
    (parent,) = parents(client, "kd")
    runs = children(client, parent)
    assert [run.info.run_name for run in runs] == [f"pooling/s30/seed{seed}" for seed in range(3)]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert [run.data.tags["seed"] for run in runs] == ["0", "1", "2"]
    assert [run.data.tags.get("dropped") for run in runs] == [None, None, "loss is NaN at step 10"]
    for run in runs:
        assert run.data.tags["scale"] == "smoke"
        assert run.data.tags["result"] == result_digest("smoke", PAPER, "kd")
        assert {"train.lr": "0.001", "train.layers": "[1, 2]", "head": "pooling"}.items() <= run.data.params.items()
        assert run.data.metrics["final/accuracy"] == pytest.approx(0.5 + int(run.data.tags["seed"]) / 10)
        assert "final/gap" not in run.data.metrics
        curve = client.get_metric_history(run.info.run_id, "accuracy")
        assert [(point.step, point.value) for point in curve] == [(0, 0.1), (20, 0.3)]
    weights = client.download_artifacts(runs[1].info.run_id, "checkpoints/pooling-s30-seed1.pt")
    assert torch.equal(torch.load(weights, weights_only=True)["weight"], torch.ones(2, 2))
    assert not client.list_artifacts(runs[2].info.run_id)


def test_more_than_one_call_takes_is_published_too(client: MlflowClient) -> None:
    run = children(client, *parents(client, "kd"))[1]
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 2000
    assert run.data.params["extra129"] == "129"


def test_start_and_end_are_those_of_the_work_not_of_publishing(client: MlflowClient) -> None:
    write_stage("timed")
    path = wall_path("smoke", PAPER, "timed")
    trained = {"pooling/s30/seed0": [1010.25, 1020.5], "pooling/s30/seed1": [1020, 1040]}
    path.write_text(json.dumps({"wall_seconds": 60.5, "ran": [1000, 1060.5], "trained": trained}))
    tracking.publish("smoke", PAPER, "timed")
    (parent,) = parents(client, "timed")
    runs = children(client, parent)
    spans = [(run.info.start_time, run.info.end_time) for run in (parent, *runs)]
    assert spans == [(1000000, 1060500), (1010250, 1020500), (1020000, 1040000), (1000000, 1060500)], "ms"
    assert parent.data.metrics["wall_seconds"] == 60.5
    curve = client.get_metric_history(runs[0].info.run_id, "accuracy")
    assert [point.timestamp for point in curve] == [1010250, 1020500]
    loss = client.get_metric_history(runs[1].info.run_id, "loss")
    assert all(1020000 <= point.timestamp <= 1040000 for point in loss)


@pytest.mark.parametrize("content", [{"wall_seconds": 60.5}, None], ids=["older", "none"])
def test_without_times_it_is_when_it_was_published(client: MlflowClient, content: dict[str, float] | None) -> None:
    stage = f"untimed_{content is None}"
    write_stage(stage)
    path, before = wall_path("smoke", PAPER, stage), int(time.time() * 1000)
    path.unlink()
    if content:
        path.write_text(json.dumps(content))
    tracking.publish("smoke", PAPER, stage)
    (parent,) = parents(client, stage)
    for run in (parent, *children(client, parent)):
        assert before <= run.info.start_time <= run.info.end_time <= time.time() * 1000
    assert ("wall_seconds" in parent.data.metrics) == bool(content)


def test_the_first_view_is_a_row_a_stage_with_the_claims_metrics(client: MlflowClient) -> None:
    write_stage("transfer_with_a_long_name")
    tracking.publish("smoke", PAPER, "transfer_with_a_long_name")
    address = tracking.arrange(PAPER, ["fig9.never.measured", "fig2.kd.s30_unseen"])
    experiment = client.get_experiment_by_name(PAPER)
    assert f"/experiments/{experiment.experiment_id}/runs?" in address
    tag = experiment.tags[f"mlflow.sharedViewState.{address.rpartition('viewStateShareKey=')[2]}"]
    view = json.loads(zlib.decompress(base64.b64decode(tag.removeprefix("deflate;"))))
    assert view["selectedColumns"] == ["tags.`scale`", "metrics.`fig2.kd.s30_unseen`"]
    assert view["columnOrder"] == list(view["columnWidths"])
    assert view["columnWidths"]["attributes.`Run Name`"] > 7 * len("transfer_with_a_long_name")
    found = client.search_runs([experiment.experiment_id], view["searchFilter"])
    assert found
    assert not any("mlflow.parentRunId" in run.data.tags for run in found)


def test_nothing_is_shown_of_a_paper_without_runs(client: MlflowClient) -> None:
    assert tracking.arrange("huang2024", ["table1.mlp.t2_symmetry"]) is None


def test_columns_are_what_the_claims_are_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names = publish.claimed(PAPER)
    assert "fig2.kd.s30_unseen" in names
    assert len(set(names)) == len(names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_a_checkpoint_is_one_file_in_the_runs_the_cache_and_the_store(client: MlflowClient, root: Path) -> None:
    """And stays in the last two what it was when the stage runs again."""
    from dvc.repo import Repo

    write_stage("once")
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    (root / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    with Repo(root) as repo:
        repo.add("data/runs/smoke/nix2022/once")
    tracking.publish("smoke", PAPER, "once")
    (parent,) = parents(client, "once")
    run = children(client, parent)[1]
    name = "checkpoints/pooling-s30-seed1.pt"
    kept, shown = runs_folder("smoke", PAPER, "once") / name, stored(root, run, name)
    before, digest = kept.read_bytes(), hashlib.md5(kept.read_bytes()).hexdigest()
    cached = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    assert kept.stat().st_ino == shown.stat().st_ino == cached.stat().st_ino
    assert kept.stat().st_mode & 0o222 == 0

    write_stage("once", accuracy=0.9)
    record.save_tensors(kept, {"weight": torch.full((2, 2), 7.0)})
    assert kept.read_bytes() != before
    assert shown.read_bytes() == before
    for path in (root / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file():
            assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.stem
    tracking.publish("smoke", PAPER, "once")
    assert {shown.read_bytes(), cached.read_bytes()} == {before}


@pytest.mark.parametrize("why", ["no links", "a server"])
def test_a_checkpoint_that_cannot_be_linked_is_copied(
    client: MlflowClient, root: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    stage = why.replace(" ", "_")
    write_stage(stage)
    if why == "no links":
        monkeypatch.setattr(Path, "hardlink_to", refused)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow/mlflow.db")
    tracking.publish("smoke", PAPER, stage)
    run = children(client, *parents(client, stage))[1]
    name = "checkpoints/pooling-s30-seed1.pt"
    kept, shown = runs_folder("smoke", PAPER, stage) / name, stored(root, run, name)
    assert shown.read_bytes() == kept.read_bytes()
    assert shown.stat().st_ino != kept.stat().st_ino


def test_nothing_is_published_twice_and_changed_results_stand_beside_the_old(client: MlflowClient) -> None:
    write_stage("twice")
    assert tracking.publish("smoke", PAPER, "twice")
    assert not tracking.publish("smoke", PAPER, "twice")
    write_stage("twice")  # DVC ran it again, with the same outcome
    assert not tracking.publish("smoke", PAPER, "twice")
    assert len(parents(client, "twice")) == 1
    write_stage("twice", accuracy=0.6)
    assert tracking.publish("smoke", PAPER, "twice")
    found = [parent.data.metrics["fig2.kd.s30_unseen"] for parent in parents(client, "twice")]
    assert sorted(found) == pytest.approx([0.55, 0.65])


def test_other_weights_alone_are_a_change(root: Path) -> None:
    write_stage("weights")
    before = tracking.digest("smoke", PAPER, "weights")
    path = record.runs_folder("smoke", PAPER, "weights") / "checkpoints/pooling-s30-seed0.pt"
    torch.save({"weight": torch.ones(2, 2) / 3}, path)
    assert tracking.digest("smoke", PAPER, "weights") != before


def test_killed_midway_is_published_anew(client: MlflowClient, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stage("killed")
    folders = set((root / "mlflow/artifacts" / PAPER).iterdir())
    log_batch, calls = type(client).log_batch, []

    def killed(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        log_batch(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "log_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            tracking.publish("smoke", PAPER, "killed")
    (half,) = parents(client, "killed")
    assert half.info.status == "RUNNING"
    assert len(children(client, half)) == 2

    write_stage("killed", accuracy=0.7)  # even if the results changed since
    assert tracking.publish("smoke", PAPER, "killed")
    (whole,) = parents(client, "killed")
    assert whole.info.run_id != half.info.run_id
    assert len(children(client, whole)) == 3
    assert not children(client, half)
    left = {folder.name for folder in set((root / "mlflow/artifacts" / PAPER).iterdir()) - folders}
    with_files = [whole, *children(client, whole)[:2]]
    assert left == {run.info.run_id for run in with_files}, "files of the removed runs"


def test_the_script_publishes_what_has_results_and_stamps_it(client: MlflowClient, capsys: Any) -> None:
    publish.main([("smoke", PAPER, "kd"), ("smoke", PAPER, "never_ran")])
    out = capsys.readouterr().out
    assert "1 of 2 stages, 0 of them new" in out
    assert "smoke/nix2022/never_ran" in out
    assert json.loads(publish.STAMP.read_text()) == {"smoke/nix2022/kd": tracking.digest("smoke", PAPER, "kd")}


def test_without_mlflow_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    write_stage("alone")
    with pytest.raises(UserError, match="MLflow cannot be imported"):
        tracking.publish("smoke", PAPER, "alone")
    publish.main([("smoke", PAPER, "alone")])
    assert "not installed" in capsys.readouterr().err
    assert json.loads(publish.STAMP.read_text()) == {}


def test_a_broken_store_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write_stage("kd")
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow/mlflow.db").write_bytes(b"no database" * 500)
    monkeypatch.setattr(publish, "current", lambda: [("smoke", PAPER, "kd")])
    with pytest.raises(SystemExit) as left:
        publish.run()
    assert left.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: mlflow: the MLflow store in ")
    assert "file is not a database" in line
    assert "delete" in line


def test_a_server_that_is_not_there_is_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    write_stage("far")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI cannot be used") as told:
        tracking.publish("smoke", PAPER, "far")
    assert "secret" not in str(told.value)


def test_a_missing_file_names_the_command(root: Path) -> None:
    write_stage("torn")
    folder = runs_folder("smoke", PAPER, "torn")
    (folder / "checkpoints/pooling-s30-seed1.pt").unlink()
    with pytest.raises(UserError, match=r"seed1\.pt is missing; run `dvc repro`"):
        tracking.publish("smoke", PAPER, "torn")
    (folder / "runs.json").unlink()
    assert not tracking.has_results("smoke", PAPER, "torn")


@pytest.mark.parametrize("content", ["[]", "{}", '{"about": {}, "runs": [{"name": "a"}]}', "{", '{"runs": NaN}'])
def test_runs_and_times_of_another_shape_are_told(content: str, root: Path) -> None:
    write_stage("torn")
    runs, wall = runs_folder("smoke", PAPER, "torn") / "runs.json", wall_path("smoke", PAPER, "torn")
    for path, mend in (
        (wall, f"delete it and run `dvc repro` (stage torn of {PAPER})"),
        (runs, f"delete {runs.parent}"),
    ):
        before = path.read_text()
        path.write_text(content)
        with pytest.raises(UserError) as told:
            tracking.publish("smoke", PAPER, "torn")
        assert str(path) in str(told.value)
        assert mend in str(told.value)
        path.write_text(before)


def test_two_processes_may_create_the_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for stage in ("one", "two"):
        write_stage(stage)
    code = "import sys; from learned_symmetry import tracking; sys.exit(not tracking.publish(*sys.argv[1:]))"
    both = [
        subprocess.Popen([sys.executable, "-c", code, "smoke", PAPER, stage], stderr=subprocess.PIPE, text=True)
        for stage in ("one", "two")
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said == ["", ""], "nothing on stderr"
    with sqlite3.connect(tmp_path / "mlflow/mlflow.db") as store:
        assert store.execute("select count(*) from runs where status = 'FINISHED'").fetchone() == (6,)
    store.close()


@pytest.mark.parametrize("name", ["fig2.kd.s30_unseen", "final/train loss", "γ=1", "a//b", "../up", "/", "x" * 300])
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    validation = pytest.importorskip("mlflow.utils.validation")
    validation._validate_metric_name(tracking._key(name))
    validation._validate_length_limit("name", 250, tracking._key(name))


def test_names_stay_apart() -> None:
    assert tracking._key("a=1") != tracking._key("a+1")
