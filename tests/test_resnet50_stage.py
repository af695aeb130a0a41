"""The stage on ResNet-50s end to end: generated pictures in ImageNet's shape, untrained weights in a published file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from learned_symmetry import config, public_resnet50
from learned_symmetry.data import imagenet
from learned_symmetry.data.sources import digest
from learned_symmetry.flip_merge import COLUMNS
from learned_symmetry.models import seeded
from learned_symmetry.models.bottleneck import resnet50
from learned_symmetry.results import result_path
from learned_symmetry.rng import generator, numpy_generator

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    """Settings at scale smoke in a repository whose registry has images of 32 and 33 pixels, to save time."""
    noise = numpy_generator(0, "pictures")
    for split, count in (("train", 6), ("val", 4)):
        for wnid in list(imagenet.classes())[:2]:
            folder = tmp_path / "imagenet" / split / wnid
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 256, (40, 44, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    registry = (ROOT / public_resnet50.REGISTRY).read_text()
    registry = registry.replace("size: 224", "size: 32").replace("size: 225", "size: 33")
    (tmp_path / "data").mkdir()
    (tmp_path / public_resnet50.REGISTRY).write_text(re.sub(r"sha256: \w{64}", "sha256: null", registry))
    (tmp_path / "mirror/resnet50").mkdir(parents=True)
    weights = seeded(resnet50, generator(0, "weights")).state_dict()
    weights["fc.bias"][0] += 20  # so that half of the answers are right
    torch.save(weights, tmp_path / "mirror/resnet50/resnet50-0676ba61.pth")
    monkeypatch.setenv("LEARNED_SYMMETRY_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv(imagenet.FOLDER, str(tmp_path / "imagenet"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(public_resnet50, "_download", lambda url, target: None)
    loaded = config.load("bokman2023", ROOT / "params.yaml", scale="smoke")
    monkeypatch.chdir(tmp_path)
    return loaded.model_copy(update={"engine": loaded.engine.model_copy(update={"device": "cpu"})})


def test_rows_with_weights_are_measured_and_the_others_say_what_is_missing_or_wrong(cfg: config.Settings) -> None:
    from stages.bokman2023 import resnet50 as stage

    wrong = {
        "byol": ("pretrain_res50x1.pth.tar", b"truncated"),
        "mocov3": ("linear-1000ep.pth.tar", b"another file than before"),
    }
    for file, content in wrong.values():
        (Path("mirror/resnet50") / file).write_bytes(content)
    raw = Path("data/raw/resnet50")
    raw.mkdir(parents=True)
    (raw / "linear-1000ep.pth.tar.sha256").write_text(f"{'0' * 64}  linear-1000ep.pth.tar\n")
    stage.main(cfg)
    result = json.loads(result_path("smoke", "bokman2023", "resnet50").read_text())
    metrics, absent = result["metrics"], result["provenance"]["not_run"]
    assert result["provenance"]["data"] == "official"
    assert [run["name"] for run in result["runs"]] == ["tv_old"]
    assert absent.keys() == {*public_resnet50.rows(), "tv_new_232"} - {"tv_old"}
    assert "resnet50-11ad3fa6.pth is missing" in absent["tv_new_232"]
    assert "pretrain_res50x1.pth.tar cannot be read as weights" in absent["byol"]
    assert f"not of {'0' * 64} as when it was first used" in absent["mocov3"]
    weights = Path("mirror/resnet50/resnet50-0676ba61.pth")
    assert result["runs"][0]["params"]["weights"] == {weights.name: digest(weights)}
    assert (raw / f"{weights.name}.sha256").read_text() == f"{digest(weights)}  {weights.name}\n"
    assert not (raw / "pretrain_res50x1.pth.tar.sha256").exists()
    assert metrics["table5.byol.accuracy"]["mean"] is None
    for table in ("table3", "table5"):
        told = {column: metrics[f"{table}.tv_old.{column}"]["mean"] for column in COLUMNS}
        assert None not in told.values()
        assert told["invariance_error"] > 0
        assert told["accuracy"] == 0.5
    assert "table3.tv_old_225.accuracy" not in metrics, "Table 3 has the even size alone"
    assert np.array(result["notes"]["tv_old"]["twins"]).shape == (64, 3, 7, 7)
