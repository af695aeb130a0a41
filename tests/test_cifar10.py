"""CIFAR-10's formats, which source serves it, and the digits of MNIST6."""

from __future__ import annotations

import errno
import io
import os
import pickle
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import Tensor

from learned_symmetry import config, data
from learned_symmetry.data import cifar10, mnist6, sources, standins
from learned_symmetry.errors import UserError

ROOT = Path(__file__).parents[1]
REAL_MIRROR = os.environ.get(sources.MIRROR, "").split(os.pathsep)[0]


def settings(scale: str = "quick", mirror: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(scale=scale, data=SimpleNamespace(mirror=mirror))


def archive(folder: Path) -> tuple[Tensor, Tensor]:
    """The official archive in small, two images a batch; returns the training images and labels that are in it."""
    stream = np.random.default_rng(0)
    images, labels = stream.integers(256, size=(12, 3072), dtype=np.uint8), stream.integers(10, size=12).tolist()
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as packed:
        for k, name in enumerate([*cifar10.BATCHES["train"], *cifar10.BATCHES["test"]]):
            rows = slice(2 * k, 2 * k + 2)
            content = pickle.dumps({b"data": images[rows], b"labels": labels[rows]}, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return torch.from_numpy(images[:10]), torch.tensor(labels[:10])


def test_the_official_archive(tmp_path: Path) -> None:
    """Rows hold the red, then the green, then the blue pixels, row by row."""
    images, labels = archive(tmp_path)
    read, told = cifar10.archived(tmp_path, "train")
    assert torch.equal(read, images.view(10, 3, 32, 32))
    assert torch.equal(told, labels)
    assert (read.dtype, told.dtype) == (torch.uint8, torch.int64)
    assert len(cifar10.archived(tmp_path, "test")[1]) == 2
    few, labelled = cifar10.archived(tmp_path, "train", 3)
    assert torch.equal(few, read[:3])
    assert torch.equal(labelled, told[:3])


def test_the_encoded_variant(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    colours = [(200, 30, 60), (10, 120, 240)]
    jpegs = []
    for colour in colours:
        Image.new("RGB", (32, 32), colour).save(kept := io.BytesIO(), "JPEG", quality=95)
        jpegs.append(kept.getvalue())
    table = pa.table({"image": jpegs, "label": pa.array([7, 2], pa.int8()), "name": ["a", "b"]})
    pq.write_table(table, tmp_path / "test.parquet")
    images, labels = cifar10.encoded(tmp_path, "test")
    assert images.shape == (2, 3, 32, 32)
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert labels.tolist() == [7, 2]
    assert (images.float().mean((-2, -1)) - torch.tensor(colours)).abs().max() < 3
    few, labelled = cifar10.encoded(tmp_path, "test", 1)
    assert torch.equal(few, images[:1])
    assert labelled.tolist() == [7]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    for name, read in (("cifar-10-python.tar.gz", cifar10.archived), ("train.parquet", cifar10.encoded)):
        for content in (None, b"nothing of the kind"):
            if content:
                (tmp_path / name).write_bytes(content)
            with pytest.raises(UserError, match=f"{name} cannot be read .* delete it"):
                read(tmp_path, "train")


def test_a_file_that_may_not_be_read_is_not_to_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tarfile, "open", denied)
    monkeypatch.setattr(pyarrow.parquet, "read_table", denied)
    for read in (cifar10.archived, cifar10.encoded):
        with pytest.raises(PermissionError):
            read(tmp_path, "train")


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository with the registry of CIFAR-10, made offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.MIRROR, raising=False)
    (tmp_path / "data").mkdir()
    registry = (ROOT / "data/sources.yaml").read_text()
    (tmp_path / "data/sources.yaml").write_text(registry.replace("https://www.cs.toronto.edu", "http://127.0.0.1:9"))
    return tmp_path


def test_without_anything_the_stand_in_serves_and_at_full_an_error(somewhere: Path) -> None:
    images, labels = data.load("cifar10", "test", settings())
    assert torch.equal(images, standins.shapes("test")[0])
    assert cifar10.source(settings()).kind == "stand-in"
    with pytest.raises(UserError, match=r"(?s)cifar-10-python.*train\.parquet.*takes no stand-in"):
        data.load("cifar10", "train", settings("full"))
    with pytest.raises(UserError, match="no split 'valid'"):
        cifar10.load("valid", settings())
    assert len(labels) == 500


def test_the_variant_serves_where_the_official_archive_is_not_to_be_had(somewhere: Path) -> None:
    if not REAL_MIRROR or not Path(ROOT, REAL_MIRROR, "cifar10-jpeg").is_dir():
        pytest.skip(f"no mirror of cifar10-jpeg: {sources.MIRROR} is {REAL_MIRROR!r}")
    cfg = settings("full", str(Path(ROOT, REAL_MIRROR)))
    found = sources.ensure("cifar10", scale="full", mirror=cfg.data.mirror)
    assert (found.name, found.kind, found.folder.name) == ("cifar10", "mirror variant", "cifar10-jpeg")
    manifest = sources.write_manifest(found)
    assert manifest.name == "cifar10.json"
    assert set(config.read(manifest)["files"]) == {"train.parquet", "test.parquet"}
    assert cifar10.source(cfg) == found  # as the manifest says, without another look for the archive
    images, labels = cifar10.load("test", cfg)
    assert images.shape == (10_000, 3, 32, 32)
    assert torch.bincount(labels).tolist() == [1000] * 10


def test_the_manifest_decides_which_source_is_read(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(sources, "_gathered", lambda name, mirror: asked.append(name) or Path("data/raw", name))
    for kind, entry in (("mirror variant", "cifar10-jpeg"), ("official", "cifar10")):
        sources.write_manifest(sources.Source("cifar10", kind, Path("data/raw", entry)))
        assert cifar10.source(settings()) == sources.Source("cifar10", kind, Path("data/raw", entry))
    assert asked == ["cifar10-jpeg", "cifar10"]


# ---- MNIST6 ----------------------------------------------------------------------------------------------------------


def test_mnist6_keeps_six_digits_in_their_order() -> None:
    labels = torch.tensor([5, 0, 9, 2, 8, 1, 3, 6, 7, 4])
    images = labels.view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    kept, told = mnist6.kept(images, labels)
    assert kept[:, 0, 0, 0].tolist() == [5, 9, 2, 3, 7, 4]
    assert told.tolist() == [3, 5, 0, 1, 4, 2]


def test_turned_tasks_by_hand() -> None:
    """The turned images are the same in both tasks; turning one back by its label's angle gives the image."""
    images, labels = torch.rand(200, 1, 28, 28), torch.arange(200) % 6
    inv, digit = mnist6.task("rotinv", images, labels, "train")
    eqv, both = mnist6.task("roteq", images, labels, "train")
    assert torch.equal(inv, eqv)
    assert torch.equal(digit, labels)
    assert torch.equal(both // 4, labels)
    for original, turned, k in zip(images, eqv, (both % 4).tolist(), strict=True):
        assert torch.equal(turned.rot90(-k, (-2, -1)), original)
    assert torch.bincount(both % 4).min() > 30
    assert not torch.equal(mnist6.task("roteq", images, labels, "test")[1], both)
    plain = mnist6.task("mnist6", images, labels, "train")
    assert torch.equal(plain[0], images)
    assert torch.equal(plain[1], labels)
    assert {name: mnist6.task(name, images, labels, "train")[1].max().item() + 1 for name in mnist6.CLASSES} == (
        mnist6.CLASSES
    )
    with pytest.raises(KeyError):
        mnist6.task("roteqv", images, labels, "train")


def test_mnist6_has_the_protocols_sizes() -> None:
    if not REAL_MIRROR or not Path(ROOT, REAL_MIRROR, "mnist").is_dir():
        pytest.skip(f"no mirror of mnist: {sources.MIRROR} is {REAL_MIRROR!r}")
    from learned_symmetry.data import idx

    for prefix, size in (("train", 35_566), ("t10k", 5_953)):
        labels = torch.from_numpy(
            idx.read(Path(ROOT, REAL_MIRROR, "mnist", f"{prefix}-labels-idx1-ubyte.gz"), (None,))
        ).long()
        assert len(mnist6.kept(torch.zeros(len(labels), 1), labels)[1]) == size
