"""What a user can mend is one sentence and an exit status; what is written is written whole, or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from learned_symmetry import record, results
from learned_symmetry.checkpoint import Damaged, load_tensors, save_tensors
from learned_symmetry.errors import UserError, command, told_plainly
from learned_symmetry.machine import machine

CFG: Any = SimpleNamespace(scale="smoke", engine=SimpleNamespace(device="cpu"))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def full_disk(step: str = "os.fdopen") -> Iterator[None]:
    """The disk is full when a file is written, and it is this `step` of writing that meets it."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, full)
        yield


def files(folder: Path = Path()) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("params.yaml: lr is missing; add it"), 1, ["params.yaml: lr is missing; add it"]),
        (KeyboardInterrupt(), 130, ["interrupted", "run the same command again"]),
        (OSError(errno.ENOSPC, "No space left on device"), 1, ["No space left on device", "free some space"]),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, ["quota", "free some space"]),
        (OSError(errno.ENOSPC, "No space", "a/b.json"), 1, ["No space at a/b.json", "free some space"]),
        (OSError(errno.EFBIG, "File too large", "a/b.json"), 1, ["File too large at a/b.json", "ulimit -f"]),
        (OSError(errno.ENOSPC, "No space", "a/.b.tmp", None, "a/b.json"), 1, ["No space at a/b.json"]),
        (OSError(errno.ELOOP, "Too many levels of links", "a"), 1, ["at a; mend the link"]),
        (PermissionError(errno.EACCES, "Permission denied", "a/b.json"), 1, ["a/b.json", "make it writable"]),
        (OSError(errno.EROFS, "Read-only file system", "a/b.json"), 1, ["a/b.json", "make it writable"]),
    ],
    ids=["user", "ctrl-c", "full", "quota", "full at", "limit", "renamed", "link", "denied", "read-only"],
)
def test_what_can_be_mended_is_told_plainly(
    error: BaseException, status: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left, told_plainly("nix2022/teacher"):
        raise error
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (status, "")
    assert err.startswith("error: nix2022/teacher: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert all(word in err for word in words)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "No such file"), SystemExit(3)], ids=repr
)
def test_anything_else_is_a_bug_and_shows_itself(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error)) as raised, told_plainly("nix2022/teacher"):
        raise error
    assert raised.value is error
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ({("a/b.json", os.R_OK)}, "at a/b.json; make it readable"),
        ({("a/b.json", os.W_OK)}, "at a/b.json; make it writable"),
        ({("a", os.W_OK)}, "at a/b.json; make the folder a writable"),
        ({("a/b.json", os.F_OK), ("a", os.X_OK)}, "at a/b.json; make the folder a readable"),
    ],
    ids=["file read", "file written", "folder written", "folder entered"],
)
def test_what_is_denied_is_told_with_the_permission_that_lacks(
    lacking: set[tuple[str, int]], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results.write_atomically(Path("a/b.json"), b"")

    def access(path: str | Path, mode: int) -> bool:  # root, who runs tests in some places, may do everything
        return not any(str(path) == name and (mode == lack or mode & lack) for name, lack in lacking)

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(SystemExit), told_plainly("draw"):
        raise PermissionError(errno.EACCES, "Permission denied", "a/b.json")
    assert capsys.readouterr().err == f"error: draw: Permission denied {told} and run the same command again\n"


@pytest.mark.parametrize(
    ("make", "at", "told"),
    [
        (Path.touch, "paper", "paper is a file where a folder belongs"),
        (Path.touch, "data/runs/smoke/nix2022", "data/runs/smoke/nix2022 is a file where a folder belongs"),
        (Path.touch, "data/runs/smoke/nix2022/teacher", "nix2022/teacher is a file where a folder belongs"),
        (Path.mkdir, "paper/results/smoke/nix2022/teacher.json", "teacher.json is a folder where a file belongs"),
        (lambda path: path.symlink_to("nowhere"), "paper", "paper is a link to nothing where a folder belongs"),
    ],
    ids=["root", "runs", "stage", "result", "link"],
)
def test_a_stage_tells_what_is_in_the_way(
    make: Callable[[Path], None], at: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(at).parent.mkdir(parents=True, exist_ok=True)
    make(Path(at))
    with pytest.raises(SystemExit), told_plainly("nix2022/teacher"):
        a_stage().write()
    err = capsys.readouterr().err
    assert err.startswith("error: nix2022/teacher: ")
    assert err.endswith(f"{told}; move it away and run the same command again\n")


@pytest.mark.parametrize("which", ["result", "weights"])
def test_a_folder_where_a_file_is_read_is_told(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, read = {
        "result": (results.result_path("smoke", "nix2022", "teacher"), results.read_result),
        "weights": (
            results.runs_folder("smoke", "nix2022", "teacher") / record.checkpoint_name("s30/seed0"),
            lambda *names: record.load_state(*names, "s30/seed0"),
        ),
    }[which]
    path.mkdir(parents=True)
    with pytest.raises(SystemExit), told_plainly("draw"):
        read("smoke", "nix2022", "teacher")
    assert f"{path} is a folder where a file belongs; move it away" in capsys.readouterr().err


def test_a_command_is_told_plainly_and_passes_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    @command("publish")
    def main(stage: str, *, times: int) -> None:
        raise UserError(f"{stage} {times}")

    with pytest.raises(SystemExit, match="1"):
        main("teacher", times=3)
    assert capsys.readouterr().err == "error: publish: teacher 3\n"


# ---- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system itself refuses to write more than so many bytes: after a part of the file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", ["tempfile.mkstemp", "os.fdopen", "pathlib.Path.chmod", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_old_file_and_no_other(step: str) -> None:
    path = Path("a/b.json")
    results.write_atomically(path, b"old")
    with full_disk(step), pytest.raises(OSError, match="No space") as raised:
        results.write_atomically(path, b"new")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "a/b.json")
    assert (files(), path.read_bytes()) == (["a/b.json"], b"old")
    results.write_atomically(path, b"new")
    assert (files(), path.read_bytes()) == (["a/b.json"], b"new")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: results.write_atomically(path, bytes(100_000)),
        lambda path: results.write_json(path, ["x" * 100_000]),
        lambda path: save_tensors(path, {"w": torch.zeros(100_000)}),
    ],
    ids=["bytes", "json", "tensors"],
)
def test_a_file_that_breaks_off_leaves_the_old_one_and_no_other(write: Callable[[Path], None]) -> None:
    path = Path("a/b")
    results.write_atomically(path, b"old")
    with (
        files_of_at_most(5000),
        pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as raised,
    ):  # the system's own, not torch's
        write(path)
    assert raised.value.filename == "a/b"
    assert (files(), path.read_bytes()) == (["a/b"], b"old")


def test_a_new_file_can_be_read_by_others() -> None:
    results.write_json(Path("a/b.json"), {"b": 1, "a": [1.5, None]})
    assert Path("a/b.json").stat().st_mode & 0o777 == 0o644
    assert Path("a/b.json").read_text() == '{\n "a": [\n  1.5,\n  null\n ],\n "b": 1\n}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_holds_no_nan(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json(Path("b.json"), {"a": [value]})
    assert files() == []


def test_tensors_come_back_as_they_went() -> None:
    content = {"w": torch.randn(3, 4).mT, "n": {"step": 3, "values": [(1, 0.5)]}}
    save_tensors(Path("a/b.pt"), content)
    for back in (load_tensors(Path("a/b.pt")), torch.load("a/b.pt", weights_only=True)):  # a plain file of torch's
        assert torch.equal(back.pop("w"), content["w"])
        assert back == {"n": content["n"]}


def test_a_flipped_bit_is_found_or_changes_nothing() -> None:
    """In each byte of the file: those that say nothing, such as dates, may be anything."""
    path, content = Path("b.pt"), {"w": torch.arange(8.0), "step": 3}
    save_tensors(path, content)
    whole, found = path.read_bytes(), 0
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            back = load_tensors(path)
        except Damaged:
            found += 1
        else:
            assert torch.equal(back["w"], content["w"])
            assert (back.keys(), back["step"]) == (content.keys(), 3)
    assert found > 300


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda old, new: (done.append("rename"), replace(old, new))[1])
    save_tensors(Path("b.pt"), {"w": torch.zeros(2)})
    assert done == ["fsync", "rename"]


# ---- what a stage writes ---------------------------------------------------------------------------------------------


def a_stage(runs: int = 3) -> record.Stage:
    """Three runs, the last one dropped."""
    stage = record.Stage(CFG, "nix2022", "teacher", source="stand-in", fingerprint="abc")
    stage.metric("fig2.teacher.s30_all", [0.5, 0.75, None][:runs])
    stage.metric("fig2.teacher.s0_all", [0.5])
    stage.metric("fig2.teacher.none", [None, math.nan, math.inf])
    for seed in range(runs):
        run = record.RunRecord(
            f"s30/seed{seed}",
            seed,
            params={"lr": 0.01},
            metrics={"all": 0.5 + seed / 4, "gap": math.nan},
            history={"loss.total": [(10, 1.5), (20, math.nan)]},
            state={"w": torch.full((2,), float(seed))},
        )
        if seed == 2:
            run.state, run.dropped = None, "the loss was not finite at step 20"
        stage.runs.append(run)
    return stage


def strictly(path: str | Path) -> Any:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} in {path}")

    return json.loads(Path(path).read_text(), parse_constant=no_constant)


def test_results_of_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert a_stage().write() == Path("paper/results/smoke/nix2022/teacher.json")
    result = strictly("paper/results/smoke/nix2022/teacher.json")
    assert result.keys() == {"metrics", "runs", "provenance"}
    assert result["metrics"] == {
        "fig2.teacher.s30_all": {
            "mean": 0.625,
            "std": pytest.approx(0.25 / math.sqrt(2)),  # of a sample: divided by n - 1
            "n": 2,
            "values": [0.5, 0.75, None],
        },
        "fig2.teacher.s0_all": {"mean": 0.5, "std": None, "n": 1, "values": [0.5]},
        "fig2.teacher.none": {"mean": None, "std": None, "n": 0, "values": [None, None, None]},
    }
    assert result["runs"][1] == {
        "name": "s30/seed1",
        "seed": 1,
        "params": {"lr": 0.01},
        "metrics": {"all": 0.75, "gap": None},
    }
    assert result["runs"][2]["dropped"] == "the loss was not finite at step 20"
    about = {"paper": "nix2022", "stage": "teacher", "scale": "smoke", "data": "stand-in", "precision": "float32"}
    about |= machine() | {"dropped": {"s30/seed2": "the loss was not finite at step 20"}}
    assert about.items() <= result["provenance"].items()
    assert result["provenance"]["device"].startswith("CPU")
    assert strictly("paper/results/smoke/nix2022/teacher.wall.json").keys() == {"wall_seconds", "ran", "trained"}
    printed = capsys.readouterr().out
    assert "nix2022/teacher: 3 runs, 3 metrics" in printed
    assert printed.count("\n") == 1


def test_times_stand_beside_the_results_and_change_nothing_in_them() -> None:
    kept = [Path("paper/results/smoke/nix2022/teacher.json"), Path("data/runs/smoke/nix2022/teacher/runs.json")]
    before = time.time()
    a_stage().write()
    first = [path.read_bytes() for path in kept]
    again = a_stage()
    again.runs[1].trained = 1.5, 20.25
    again.write()
    assert [path.read_bytes() for path in kept] == first, "what stages depend on tells of no time"
    wall = strictly("paper/results/smoke/nix2022/teacher.wall.json")
    assert wall["trained"] == {"s30/seed1": [1.5, 20.25]}
    start, end = wall["ran"]
    assert before - 0.001 <= start <= end <= time.time() + 0.001
    assert end - start == pytest.approx(wall["wall_seconds"], abs=0.06)


@pytest.mark.parametrize(
    "write",
    [lambda path: results.write_json(path, {"new": 1}), lambda path: record.save_tensors(path, {"new": torch.ones(1)})],
    ids=["json", "tensors"],
)
def test_a_writer_leaves_a_linked_file_as_it_was(write: Callable[[Path], None]) -> None:
    """Such as that in DVC's cache; nothing else writes what DVC keeps, and root may write what is read-only."""
    cached, path = Path("cached"), Path("data/params/shared.json")
    cached.write_text("old")
    cached.chmod(0o444)
    path.parent.mkdir(parents=True)
    path.hardlink_to(cached)
    write(path)
    assert cached.read_text() == "old"
    assert path.read_bytes() != b"old"


def test_runs_of_a_stage() -> None:
    a_stage().write()
    kept = strictly("data/runs/smoke/nix2022/teacher/runs.json")
    assert kept["about"]["stage"] == "teacher"
    assert [run["checkpoint"] for run in kept["runs"]] == ["checkpoints/s30-seed0.pt", "checkpoints/s30-seed1.pt", None]
    assert kept["runs"][0]["history"] == {"loss.total": [[10, 1.5], [20, None]]}
    assert record.load_state("smoke", "nix2022", "teacher", "s30/seed1")["w"].tolist() == [1, 1]
    assert files(Path("data/runs/smoke/nix2022")) == [
        "teacher/checkpoints/s30-seed0.pt",
        "teacher/checkpoints/s30-seed1.pt",
        "teacher/runs.json",
    ]


def test_notes_are_kept_where_there_are_any() -> None:
    stage = a_stage()
    stage.notes["winner"] = {"kd": ["lr=0.01"]}
    assert strictly(stage.write())["notes"] == {"winner": {"kd": ["lr=0.01"]}}


def test_the_same_results_are_the_same_bytes() -> None:
    first = a_stage().write().read_bytes()
    assert a_stage().write().read_bytes() == first


def test_written_again_nothing_of_before_stays() -> None:
    a_stage(runs=3).write()
    a_stage(runs=1).write()
    assert files(Path("data/runs")) == [
        "smoke/nix2022/teacher/checkpoints/s30-seed0.pt",
        "smoke/nix2022/teacher/runs.json",
    ]
    assert len(strictly("paper/results/smoke/nix2022/teacher.json")["runs"]) == 1


def test_checkpoints_of_unfinished_training_go_with_the_results_and_no_sooner() -> None:
    stage = a_stage()
    save_tensors(stage.scratch / "0.pt", {"w": torch.zeros(1)})
    with full_disk(), pytest.raises(OSError, match="No space"):
        stage.write()
    assert (stage.scratch / "0.pt").is_file()
    stage.write()
    assert not stage.scratch.exists()


def test_other_settings_or_code_have_another_scratch_folder() -> None:
    stages = [record.Stage(CFG, "nix2022", "teacher", source="x", fingerprint=mark) for mark in ("abc", "abd")]
    assert stages[0].scratch != stages[1].scratch


def test_a_full_disk_leaves_the_old_results() -> None:
    path = a_stage().write()
    before, stage = path.read_bytes(), a_stage()
    stage.metric("fig2.teacher.new", [1.0])
    with full_disk(), pytest.raises(OSError, match="No space"):
        stage.write()
    assert path.read_bytes() == before
    assert record.load_state("smoke", "nix2022", "teacher", "s30/seed1")["w"].tolist() == [1, 1]


def test_a_metric_is_recorded_once() -> None:
    with pytest.raises(ValueError, match=r"fig2\.teacher\.s0_all.*twice"):
        a_stage().metric("fig2.teacher.s0_all", [1.0])


# ---- what is not there, or broken ------------------------------------------------------------------------------------


def test_missing_results_and_weights_are_told_with_the_command() -> None:
    for read in (
        lambda: results.read_result("smoke", "nix2022", "teacher"),
        lambda: record.load_state("smoke", "nix2022", "teacher", "s30/seed0"),
    ):
        with pytest.raises(UserError, match=r"teacher.* is missing; run `dvc repro` .*teacher of nix2022.*smoke"):
            read()


@pytest.mark.parametrize("how", ["cut", "text", "empty", "object"])
def test_a_broken_checkpoint_is_told_with_what_to_delete(how: str) -> None:
    a_stage().write()
    path = Path("data/runs/smoke/nix2022/teacher/checkpoints/s30-seed0.pt")
    if how == "object":
        torch.save({"w": SimpleNamespace()}, path)  # a pickled object, which is never loaded
    else:
        path.write_bytes({"cut": path.read_bytes()[:200], "text": b"version https://git-lfs", "empty": b""}[how])
    with pytest.raises(UserError, match=r"s30-seed0\.pt .*delete data/runs/smoke/nix2022/teacher and run `dvc repro`"):
        record.load_state("smoke", "nix2022", "teacher", "s30/seed0")


def test_broken_results_are_told_with_what_to_delete() -> None:
    path = a_stage().write()
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"teacher\.json is not valid JSON; delete it and run `dvc repro`"):
        results.read_result("smoke", "nix2022", "teacher")


METRIC = {"mean": 0.5, "std": None, "n": 1, "values": [0.5]}
ABOUT = {"data": "stand-in", "device": "CPU", "dropped": {}}
WHOLE: dict[str, Any] = {"metrics": {"a.b": METRIC}, "runs": [], "provenance": ABOUT}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", " should be a mapping"),
        ("{}", ": metrics is missing"),
        (json.dumps(WHOLE).replace("values", "vales"), ": metrics: a.b: values is missing"),
        (json.dumps(WHOLE).replace("[0.5]", "[0.5, NaN]"), " is not valid JSON"),
        (json.dumps(WHOLE).replace("[0.5]", "[-Infinity]"), " is not valid JSON"),
        (json.dumps(WHOLE).replace("[0.5]", "[1e999]"), ": metrics: a.b: values: 0 should be a finite number"),
        (json.dumps(WHOLE).replace("[0.5]", '["0.5"]'), ": metrics: a.b: values: 0 should be a valid number"),
        (json.dumps(WHOLE | {"metrics": []}), ": metrics should be a mapping"),
        (json.dumps(WHOLE | {"runs": [{"name": "s30/seed0"}]}), ": runs: 0: seed is missing"),
        (json.dumps(WHOLE | {"provenance": {"data": "official"}}), ": provenance: device is missing"),
        ("[" * 100_000, " is not valid JSON"),
        ("\udcff", " is not valid JSON"),
    ],
    ids=["list", "empty", "vales", "nan", "inf", "huge", "text", "metrics", "runs", "provenance", "deep", "bytes"],
)
def test_results_of_another_shape_are_told_with_what_makes_them(text: str, told: str) -> None:
    path = a_stage().write()
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError) as raised:
        results.read_result("smoke", "nix2022", "teacher")
    again = "delete it and run `dvc repro` (stage teacher of nix2022) at scale smoke"
    assert str(raised.value) == f"{path}{told}; {again}"


def test_what_a_figure_wants_and_the_results_lack_is_told() -> None:
    stage = a_stage()
    stage.notes["winner"] = "kd"
    path = stage.write()
    result = results.read_result("smoke", "nix2022", "teacher")
    assert result == strictly(path)
    again = r"delete .*teacher\.json and run `dvc repro` \(stage teacher of nix2022\) at scale smoke"
    for part, key in (("notes", "fig6"), ("metrics", "fig2.none")):
        with pytest.raises(UserError, match=rf"teacher\.json: {part} has no {key}; {again}"):
            result[part][key]
    path.write_text(json.dumps({key: part for key, part in result.items() if key != "notes"}))
    with pytest.raises(UserError, match=rf"teacher\.json has no notes; {again}"):
        results.read_result("smoke", "nix2022", "teacher")["notes"]


def test_a_wall_time_of_another_shape_is_told() -> None:
    a_stage().write()
    assert results.read_wall("smoke", "nix2022", "teacher") >= 0
    assert results.read_wall("smoke", "nix2022", "student") is None
    results.wall_path("smoke", "nix2022", "teacher").write_text("[]")
    with pytest.raises(UserError, match=r"teacher\.wall\.json should be a mapping; delete it and run `dvc repro`"):
        results.read_wall("smoke", "nix2022", "teacher")


class Two(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(2))


def test_weights_are_restored() -> None:
    a_stage().write()
    network = Two()
    assert record.restore(network, "smoke", "nix2022", "teacher", "s30/seed1") is network
    assert network.w.tolist() == [1, 1]


@pytest.mark.parametrize(
    "state",
    [{"v": torch.zeros(2)}, {"w": torch.zeros(3)}, {"w": torch.zeros(2), "v": torch.zeros(2)}, {}, {"w": 1.0}],
    ids=["name", "shape", "more", "none", "number"],
)
def test_weights_of_another_network_are_told_with_what_to_delete(state: dict[str, Any]) -> None:
    stage = a_stage()
    stage.runs[0].state = state
    stage.write()
    with pytest.raises(
        UserError,
        match=r"s30-seed0\.pt holds the weights of another network than Two; delete data/runs/smoke/nix2022/teacher and"
        r" run `dvc repro` \(stage teacher of nix2022\) at scale smoke",
    ):
        record.restore(Two(), "smoke", "nix2022", "teacher", "s30/seed0")


def test_weights_that_are_no_mapping_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "load_state", lambda *names: [1])
    with pytest.raises(UserError, match="another network than Two"):
        record.restore(Two(), "smoke", "nix2022", "teacher", "s30/seed0")


def test_a_runs_weights_are_read_by_restore_alone() -> None:
    root = Path(__file__).parents[1]
    sources = [*(root / "src").rglob("*.py"), *(root / "stages").rglob("*.py")]
    assert [path.name for path in sources if re.search(r"\bload_state\(", path.read_text())] == ["record.py"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told() -> None:
    assert record.resolve_device("auto") == record.resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match=r"params\.yaml: engine\.device is cuda.*auto or cpu"):
        record.resolve_device("cuda")
