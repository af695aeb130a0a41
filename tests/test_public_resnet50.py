"""Published weights of ResNet-50 in each of their layouts, from files made here; and what is said without them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from learned_symmetry import config, public_resnet50
from learned_symmetry.errors import UserError
from learned_symmetry.models import parameter_count, seeded
from learned_symmetry.models.bottleneck import resnet50
from learned_symmetry.public_resnet50 import Absent
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
    (tmp_path / "data/imagenet_resnet50.yaml").write_text(re.sub(r" +sha256: \w+\n", "", text))
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
    made = public_resnet50.network(public_resnet50.found(entry, cfg))
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


def test_a_file_that_is_not_the_published_one_is_refused(mirror: Path, cfg: config.Settings) -> None:
    (mirror / "resnet50-0676ba61.pth").write_bytes(b"no weights")
    entry = {"files": {"resnet50-0676ba61.pth": {"sha256": "0676ba61"}}}
    with pytest.raises(UserError, match=r"has a sha256 of .*, not of 0676ba61"):
        public_resnet50.found(entry, cfg)


def test_files_that_hold_something_else_are_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(UserError, match="cannot be read"):
        public_resnet50.network([tmp_path / "text.pth"])
    torch.save({name: tensor for name, tensor in STATE.items() if name not in HEAD}, tmp_path / "headless.pth")
    with pytest.raises(UserError, match=r"hold no whole ResNet-50 with a linear head: 2 tensors.*fc\.bias"):
        public_resnet50.network([tmp_path / "headless.pth"])
