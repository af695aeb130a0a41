"""The IDX reader, and the loaders of MNIST and Fashion-MNIST."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from learned_symmetry import data
from learned_symmetry.data import fashion_mnist, idx, mnist, sources
from learned_symmetry.errors import UserError

ROOT = Path(__file__).parents[1]
REAL_MIRROR = os.environ.get(sources.MIRROR, "").split(os.pathsep)[0]
ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
HEADER = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4)
WHOLE = HEADER + ARRAY.tobytes()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (sources.MIRROR, "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write(content: bytes) -> Path:
    path = Path("array.gz")
    path.write_bytes(gzip.compress(content))
    return path


def settings(scale: str = "full", mirror: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(scale=scale, data=SimpleNamespace(mirror=mirror))


def test_reads_what_was_written():
    array = idx.read(write(WHOLE), (None, 3, 4))
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, ARRAY)
    assert array.flags.writeable  # torch warns about tensors over read-only memory


@pytest.mark.parametrize(
    ("content", "shape", "message"),
    [
        (b"", (None, 3, 4), "not an IDX file"),
        (HEADER[:10], (None, 3, 4), "not an IDX file"),
        (b"\1" + WHOLE[1:], (None, 3, 4), "not an IDX file"),
        (WHOLE[:2] + b"\x0d" + WHOLE[3:], (None, 3, 4), "not an IDX file of unsigned bytes"),
        (WHOLE, (None,), "not an IDX file of unsigned bytes in 1 dimensions"),
        (WHOLE, (None, 28, 28), r"shape \(2, 3, 4\) where \(None, 28, 28\)"),
        (WHOLE, (5, 3, 4), r"shape \(2, 3, 4\) where \(5, 3, 4\)"),
        (WHOLE[:-1], (None, 3, 4), "holds 23 bytes where the shape .* needs 24"),
        (WHOLE + b"\0", (None, 3, 4), "holds 25 bytes"),
    ],
)
def test_refuses_anything_else_and_names_the_file(content, shape, message):
    with pytest.raises(UserError, match=rf"array\.gz .*{message}.*; delete it"):
        idx.read(write(content), shape)


def test_refuses_what_is_not_whole_and_what_is_not_there():
    path = write(WHOLE)
    content = path.read_bytes()
    for damaged in (content[:-9], b"no gzip", content[:12] + b"\xff\xff" + content[14:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="not a whole gzip file"):
            idx.read(path, (None, 3, 4))
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        idx.read(path, (None, 3, 4))


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
def test_stand_ins_come_the_same_way(module, monkeypatch):
    monkeypatch.setattr(sources, "settled", lambda name, cfg: sources.Source(name, "stand-in", None))
    images, labels = module.load("test", settings("quick"))
    assert images.shape[1:] == (1, 28, 28)
    assert len(images) == len(labels)
    assert module.source(settings("quick")).kind == "stand-in"
    assert torch.equal(data.load(module.NAME, "test", settings("quick"))[0], images)


def test_misspelt_names_are_errors():
    with pytest.raises(UserError, match="no split 'val'; it has train and test"):
        mnist.load("val", settings())
    with pytest.raises(UserError, match="'minst' is no data set"):
        data.load("minst", "train", settings())


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
def test_the_official_sets(module, monkeypatch):
    """Facts known elsewhere: the sizes, the first labels, the pixel means of 33.3184 and 72.9404."""
    mirror = Path(ROOT, REAL_MIRROR)
    if not REAL_MIRROR or not (mirror / module.NAME).is_dir():
        pytest.skip(f"no mirror of {module.NAME}: {sources.MIRROR} is {REAL_MIRROR!r}")
    monkeypatch.setattr(sources, "REGISTRY", ROOT / "data/sources.yaml")
    cfg = settings(mirror=str(mirror))
    first, mean = {mnist: ([5, 0, 4, 1, 9], 33.3184), fashion_mnist: ([9, 0, 0, 3, 0], 72.9404)}[module]
    for split, size in (("train", 60_000), ("test", 10_000)):
        images, labels = module.load(split, cfg)
        assert images.shape == (size, 1, 28, 28)
        assert labels.shape == (size,)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert labels.unique().tolist() == list(range(10))
        if split == "train":
            assert labels[:5].tolist() == first
            assert images.double().mean().item() == pytest.approx(mean, abs=1e-3)
    assert module.source(cfg).kind == "official"
