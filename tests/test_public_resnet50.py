"""Published weights of ResNet-50 in each of their layouts, from files made here; and what is said without them."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from learned_symmetry import config, public_resnet50
from learned_symmetry.models import parameter_count, seeded
from learned_symmetry.models.bottleneck import resnet50
from learned_symmetry.published import Absent, Unfit, remember
from learned_symmetry.rng import generator

ROOT = Path(__file__).parents[1]
NETWORK = seeded(resnet50, generator(0, "published"))
STATE = NETWORK.state_dict()
HEAD = ("fc.weight", "fc.bias")


def wrapped(state: dict[str, Tensor], prefix: str = "module.") -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


LAYOUTS: dict[str, list[dict[str, Any]]] = {  # row of the registry -> contents of its files, in the registry's order
    "tv_old": [STATE],
    "byol": [{name: tensor for name, tensor in STATE.items() if not name.endswith("num_batches_tracked")}],
    "dino": [
        {name: tensor for name, tensor in STATE.items() if name not in HEAD},
        {"state_dict": {"module.linear.weight": STATE["fc.weight"], "module.linear.bias": STATE["fc.bias"]}},
    ],
    "mocov3": [{"epoch": 100, "arch": "resnet50", "state_dict": wrapped(STATE), "best_acc1": torch.tensor(74.6)}],
    "simsiam": [{"state_dict": wrapped(STATE), "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}],
}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror folder for weights, in a repository without any; sums are not checked: these are no originals."""
    (tmp_path / "data").mkdir()
    text = (ROOT / "data/imagenet_resnet50.yaml").read_text()
    (tmp_path / "data/imagenet_resnet50.yaml").write_text(re.sub(r"sha256: \w{64}", "sha256: null", text))
    monkeypatch.setenv("LEARNED_SYMMETRY_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(public_resnet50, "_download", lambda url, target: None)
    folder = tmp_path / "mirror/resnet50"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def cfg(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    loaded = config.load("bokman2023", ROOT / "params.yaml", scale="smoke")
    monkeypatch.chdir(tmp_path)
    return loaded


@pytest.mark.parametrize("row", LAYOUTS)
def test_each_layout_becomes_the_same_network(row: str, mirror: Path, cfg: config.Settings) -> None:
    entry = public_resnet50.rows()[row]
    for file, content in zip(entry["files"], LAYOUTS[row], strict=True):
        torch.save(content, mirror / file)
    made = public_resnet50.network([file.path for file in public_resnet50.found(entry, cfg)])
    assert parameter_count(made) == 25_557_032
    assert not made.training
    state = made.state_dict()
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) for name in state)


def test_weights_that_are_not_there_are_told_with_where_to_get_and_put_them(mirror: Path, cfg: config.Settings) -> None:
    rows = public_resnet50.rows()
    assert len(rows) == 10
    for row, entry in rows.items():
        told = public_resnet50.found(entry, cfg)
        assert isinstance(told, Absent), row
        assert next(iter(entry["files"])) in told.reason
        assert "data/raw/resnet50/" in told.reason
    assert "https://dl.fbaipublicfiles.com/simsiam" in public_resnet50.found(rows["simsiam"], cfg).reason
    assert "torchrun stages/bokman2023/imagenet.py tv_old_225" in public_resnet50.found(rows["tv_old_225"], cfg).reason
    assert "byol-convert" in public_resnet50.found(rows["byol"], cfg).reason


def test_the_registry_has_the_titles_of_the_papers_rows() -> None:
    from ruamel.yaml import YAML

    rows = YAML(typ="safe").load((ROOT / "data/imagenet_resnet50.yaml").read_text())
    assert {row for row, about in rows.items() if about["size"] == 225} == {
        "tv_old_225",
        "tv_old_inv_225",
        "simsiam_225",
    }
    for about in rows.values():
        assert all("url" in file for file in about["files"].values()) != ("supply" in about)


def test_every_file_that_is_downloaded_has_a_sha256_or_says_that_none_is_known() -> None:
    for about in config.read(ROOT / "data/imagenet_resnet50.yaml").values():
        for file, told in about["files"].items():
            assert not told or told["sha256"] is None or re.fullmatch(r"[0-9a-f]{64}", told["sha256"]), file
            stated = re.fullmatch(r"resnet50-([0-9a-f]{8})\.pth", file)  # torchvision names its files so
            assert not stated or told["sha256"].startswith(stated[1])


def test_a_file_that_is_not_the_published_one_is_refused(mirror: Path, cfg: config.Settings) -> None:
    (mirror / "resnet50-0676ba61.pth").write_bytes(b"no weights")
    entry = {"files": {"resnet50-0676ba61.pth": {"url": "https://", "sha256": "0676ba61"}}}
    with pytest.raises(Unfit, match=r"resnet50-0676ba61\.pth has a sha256 of .*, not of 0676ba61: .*get it again"):
        public_resnet50.found(entry, cfg)


def test_a_file_of_unknown_sha256_is_to_stay_what_it_was_when_it_was_first_used(
    mirror: Path, cfg: config.Settings
) -> None:
    entry = public_resnet50.rows()["simsiam"]
    (mirror / "model_best.pth.tar").write_bytes(b"first")
    files = public_resnet50.found(entry, cfg)
    record = Path("data/raw/resnet50/model_best.pth.tar.sha256")
    assert not record.exists(), "not before it was of use"
    remember(files)
    assert record.read_text() == f"{files[0].sha256}  model_best.pth.tar\n"
    assert public_resnet50.found(entry, cfg) == files
    (mirror / "model_best.pth.tar").write_bytes(b"second")
    with pytest.raises(Unfit, match=f"not of {files[0].sha256} as when it was first used; .*delete {record}"):
        public_resnet50.found(entry, cfg)
    record.unlink()
    assert public_resnet50.found(entry, cfg) != files


def test_weights_that_the_user_trains_may_be_trained_again(mirror: Path, cfg: config.Settings) -> None:
    entry = public_resnet50.rows()["tv_old_225"]
    for content in (b"first", b"second"):
        (mirror / "tv_old_225.pth").write_bytes(content)
        remember(public_resnet50.found(entry, cfg))
    assert not Path("data/raw/resnet50").exists()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_numpy_beside_the_weights_are_read_as_numpy_1_and_2_write_them(module: str, tmp_path: Path) -> None:
    """By the names that they have in the file, which is rewritten for the other version's."""
    extra = {"epoch": np.int64(300), "accuracy": np.float64(0.704), "rate": np.float32(0.1), "done": np.bool_(True)}
    buffer = io.BytesIO()
    torch.save({**STATE, **extra}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(tmp_path / "byol.pth", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                content = re.sub(rb"numpy\._?core\.multiarray", module.encode(), content)
                assert module.encode() in content
            new.writestr(name, content)
    state = public_resnet50.network([tmp_path / "byol.pth"]).state_dict()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("harmed").touch, ())


CONTENTS: dict[str, Any] = {
    "harm": {**STATE, "harm": Harm()},
    "list": [STATE],
    "nested list": {"state_dict": [STATE]},
    "numbers for names": dict(enumerate(STATE.values())),
    "no tensors": dict.fromkeys(STATE, 1.0),
    "headless": {name: tensor for name, tensor in STATE.items() if name not in HEAD},
    "another shape": STATE | {"fc.bias": torch.zeros(10)},
}


@pytest.mark.parametrize("content", [*CONTENTS, "text", "nothing", "truncated"])
def test_files_that_hold_something_else_are_told_in_one_sentence(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.pth"
    if content in CONTENTS:
        torch.save(CONTENTS[content], path)
    else:
        torch.save(STATE, path)
        path.write_bytes({"text": b"hello", "nothing": b"", "truncated": path.read_bytes()[:50_000_000]}[content])
    with pytest.raises(Unfit, match=r"file\.pth (cannot be read as weights|hold no whole ResNet-50)") as told:
        public_resnet50.network([path])
    assert "\n" not in str(told.value)
    assert not Path("harmed").exists()
    if content == "headless":
        assert "2 tensors are missing, too many or of another shape (fc.bias, fc.weight" in str(told.value)
