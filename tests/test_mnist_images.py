"""MNIST split, translated and turned, on the stand-in or on made-up images."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from learned_symmetry import config
from learned_symmetry.data import mnist, mnist_images, sources
from learned_symmetry.data.mnist_images import GENERATED, PUBLISHED, Images, moved, origin, rotated, splits, translated
from learned_symmetry.errors import UserError

ROOT = Path(__file__).parents[1]
PAIRS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with the real registry, no files, and MNIST's stand-in."""
    for name in (sources.MIRROR, "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "REGISTRY", ROOT / "data/sources.yaml")
    settle(monkeypatch, "stand-in")


def settle(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """MNIST is `kind`; its images are the stand-in's in any case."""
    monkeypatch.setattr(sources, "settled", lambda name, cfg: sources.Source(name, kind, None))


def settings(mirror: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(scale="quick", data=SimpleNamespace(mirror=mirror))


def numbered(n: int) -> tuple[Tensor, Tensor]:
    """Images each of which says in its first pixels which one it is, and whose last pixel is 255; labels 0 to 9."""
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = torch.arange(n) // 256, torch.arange(n) % 256
    images[:, 0, -1, -1] = 255
    return images, torch.arange(n) % 10


def numbers(part: Images) -> list[int]:
    """Which of the `numbered` images these are."""
    first = (part.x[:, 0, 0, :2] * 255).round().long()
    return (first[:, 0] * 256 + first[:, 1]).tolist()


# ---- splits ----------------------------------------------------------------------------------------------------------


def test_splits_are_disjoint_and_complete_and_keep_labels_with_images():
    images, labels = numbered(1003)
    train, valid = splits(images, labels, 0, 0.1)
    assert (len(train.y), len(valid.y)) == (903, 100)
    assert sorted(numbers(train) + numbers(valid)) == list(range(1003))
    for part in (train, valid):
        assert part.y.tolist() == [number % 10 for number in numbers(part)]


def test_splits_are_floats_between_0_and_1():
    images, labels = numbered(300)
    for part in splits(images, labels, 0, 0.1):
        assert (part.x.dtype, part.y.dtype) == (torch.float32, torch.int64)
        assert part.x.shape == (len(part.y), 1, 28, 28)
        assert (part.x.min(), part.x.max()) == (0, 1)
    assert images.dtype == torch.uint8  # the caller's are left alone
    assert images.max() == 255


def test_splits_depend_on_the_seed_and_on_nothing_else():
    images, labels = numbered(500)
    orders = [[numbers(part) for part in splits(images, labels, seed, 0.1)] for seed in (0, 1)]
    assert sorted(orders[0][0]) != sorted(orders[1][0])
    assert orders[0][0] != sorted(orders[0][0])  # shuffled
    torch.manual_seed(1)
    assert [numbers(part) for part in splits(images, labels, 0, 0.1)] == orders[0]


def test_a_reduced_profile_takes_the_first_of_the_full_splits():
    images, labels = numbered(500)
    full = splits(images, labels, 0, 0.1)
    few = splits(images, labels, 0, 0.1, train_images=70, valid_images=20)
    assert [len(part.y) for part in few] == [70, 20]
    for part, whole in zip(few, full, strict=True):
        assert numbers(part) == numbers(whole)[: len(part.y)]
    more = splits(images, labels, 0, 0.1, train_images=10**6)  # than there are, as with a stand-in
    assert [len(part.y) for part in more] == [450, 50]


# ---- translation -----------------------------------------------------------------------------------------------------


def test_translation_by_hand():
    """Four pixels: two that stay, one that leaves to the left or at the top, one to the right or at the bottom."""
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 10, 12], image[0, 14, 5], image[0, 2, 1], image[0, 26, 25] = 50, 100, 150, 200
    kept = {  # (right, down): value at (row, column) afterwards
        (-1, -1): {(7, 9): 50, (11, 2): 100, (23, 22): 200},
        (-1, 1): {(13, 9): 50, (17, 2): 100},
        (1, -1): {(7, 15): 50, (11, 8): 100},
        (1, 1): {(13, 15): 50, (17, 8): 100, (5, 4): 150},
    }
    out = moved(torch.stack([image] * 4), torch.tensor(PAIRS))
    assert out.dtype == torch.uint8
    for signs, found in zip(PAIRS, out, strict=True):
        want = torch.zeros(1, 28, 28, dtype=torch.uint8)
        for (row, column), value in kept[signs].items():
            want[0, row, column] = value
        assert torch.equal(found, want), signs


@pytest.mark.parametrize(("right", "down"), PAIRS)
def test_what_comes_in_is_zero_and_what_stays_is_unchanged(right, down):
    images = torch.randint(1, 256, (5, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    out = moved(images, torch.tensor([[right, down]]).expand(5, 2))
    rolled = images.roll((3 * down, 3 * right), (-2, -1))
    rows, columns = (slice(0, 3) if sign > 0 else slice(25, 28) for sign in (down, right))
    rolled[..., rows, :] = 0
    rolled[..., columns] = 0
    assert torch.equal(out, rolled)
    assert (out > 0).sum() == 5 * 25 * 25


def signs_between(still: Tensor, out: Tensor) -> Tensor:
    """The index in `PAIRS` (n,) by which each image was moved; fails where no pair, or more than one, does it."""
    same = torch.stack([(moved(still, torch.tensor([pair]).expand(len(still), 2)) == out).all(-1) for pair in PAIRS])
    same = same.all(-1).squeeze(-1)  # (4, n)
    assert (same.sum(0) == 1).all()
    return same.int().argmax(0)


def test_every_image_is_moved_once_with_labels_and_order_kept_and_independent_signs():
    drawn = {}
    for split in ("train", "test"):
        images, labels = mnist.load(split, settings())
        out, out_labels = translated(split, settings())
        assert out.dtype == torch.uint8
        assert torch.equal(out_labels, labels)
        drawn[split] = signs_between(images, out)
    assert origin(settings()) == GENERATED
    n = len(drawn["train"])
    counts = drawn["train"].bincount(minlength=4)
    # five standard deviations: both signs are fair and independent only if all four pairs are as frequent
    assert (counts - n / 4).abs().max() < 5 * (n * 3 / 16) ** 0.5
    assert not torch.equal(drawn["train"][: len(drawn["test"])], drawn["test"])


def test_the_signs_are_the_same_on_every_call():
    first, _ = translated("test", settings())
    torch.manual_seed(1)
    assert torch.equal(translated("test", settings())[0], first)


def test_a_misspelt_split_is_an_error():
    with pytest.raises(UserError, match="mnist-c has no split 'val'; it has train and test"):
        translated("val", settings())


# ---- the published file ----------------------------------------------------------------------------------------------


def publish(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A tiny archive in the published layout and a registry that knows it. Returns its arrays by split."""
    stream = np.random.default_rng(0)
    arrays = {
        split: (stream.integers(0, 256, (n, 28, 28, 1), np.uint8), stream.integers(0, 10, n))
        for split, n in (("train", 7), ("test", 4))
    }
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "mnist_c.zip", "w") as archive:
        for split, (images, labels) in arrays.items():
            for what, array in (("images", images), ("labels", labels)):
                with archive.open(f"mnist_c/translate/{split}_{what}.npy", "w") as file:
                    np.save(file, array)
    content = (folder / "mnist_c.zip").read_bytes()
    file = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "urls": ["http://127.0.0.1:9/x"]}
    Path("registry.yaml").write_text(json.dumps({"mnist-c": {"fetch": False, "files": {"mnist_c.zip": file}}}))
    return arrays


@pytest.mark.parametrize("place", ["params", "environment", "raw"])
def test_the_published_file_is_preferred_wherever_it_lies(monkeypatch, tmp_path, place):
    arrays = publish(tmp_path / ("data/raw" if place == "raw" else "mirror") / "mnist-c")
    monkeypatch.setattr(sources, "REGISTRY", Path("registry.yaml"))
    settle(monkeypatch, "official")
    if place == "environment":
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv(sources.MIRROR, os.pathsep.join(["empty", "mirror"]))
    for split, (images, labels) in arrays.items():
        cfg = settings("mirror" if place == "params" else None)
        out, out_labels = translated(split, cfg)
        assert origin(cfg) == PUBLISHED
        assert (out.dtype, out_labels.dtype) == (torch.uint8, torch.int64)
        assert out.shape == (len(labels), 1, 28, 28)
        np.testing.assert_array_equal(out[:, 0].numpy(), images[..., 0])
        np.testing.assert_array_equal(out_labels.numpy(), labels)


def test_beside_a_stand_in_for_mnist_the_published_file_is_not_used(monkeypatch, tmp_path):
    publish(tmp_path / "mirror/mnist-c")
    monkeypatch.setattr(sources, "REGISTRY", Path("registry.yaml"))
    assert origin(settings("mirror")) == GENERATED


def test_an_archive_that_is_not_the_published_one_is_an_error_and_nothing_is_downloaded(monkeypatch, tmp_path):
    publish(tmp_path / "mirror/mnist-c")
    settle(monkeypatch, "official")
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(UserError, match=r"mirror/mnist-c/mnist_c\.zip has sha256 .*, not af9ee8c6"):  # the registry's
        translated("test", settings("mirror"))


def test_where_the_archive_is_not_at_hand_nothing_is_downloaded(monkeypatch, tmp_path):
    (tmp_path / "mirror").mkdir()
    settle(monkeypatch, "official")
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("downloaded"))
    translated("test", settings("mirror"))
    assert origin(settings("mirror")) == GENERATED
    assert not (tmp_path / "data").exists()


def test_the_data_stage_leaves_it_alone():
    assert "mnist-c" not in sources.fetched()
    assert list(config.read(sources.REGISTRY)["mnist-c"]["files"]) == [mnist_images.ARCHIVE]


# ---- rotation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_rotated_is_every_quarter_turn_of_every_image(dtype):
    images = torch.randint(256, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(dtype)
    labels = torch.tensor([7, 1, 4])
    turned, repeated = rotated(images, labels)
    assert (turned.shape, turned.dtype) == ((12, 1, 28, 28), dtype)
    assert repeated.tolist() == [7, 1, 4] * 4
    for turns in range(4):
        for i in range(3):
            assert torch.equal(turned[3 * turns + i, 0], torch.rot90(images[i, 0], turns))
