"""Loaders of ImageNet's images: the folder's two shapes, the sample, preprocessing, and what is wrong told plainly."""

from __future__ import annotations

import errno
import re
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from learned_symmetry import config
from learned_symmetry.data import imagenet, sources
from learned_symmetry.data.imagenet import Pictures, Preprocessing
from learned_symmetry.errors import UserError

TENCH, GOLDFISH, TISSUE = "n01440764", "n01443537", "n15075141"  # classes 0, 1 and 999


def picture(path: Path, colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def settings(folder: Path | None) -> config.Settings:
    cfg = config.load("nix2022")
    return cfg.model_copy(update={"data": config.Data(mirror=None, imagenet=folder and str(folder))})


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    for name in (f"val/{TISSUE}/c.JPEG", f"val/{TENCH}/b.JPEG", f"val/{TENCH}/a.png", f"train/{GOLDFISH}/d.JPEG"):
        picture(tmp_path / name)
    (tmp_path / "val" / TENCH / "notes.txt").write_text("no image")
    return tmp_path


def test_classes_are_counted_in_the_order_of_their_ids():
    table = imagenet.classes()
    assert list(table) == sorted(table)
    assert [table[TENCH], table[GOLDFISH], table[TISSUE]] == [0, 1, 999]


def test_a_folder_a_class_is_listed_by_name(nested):
    listing = imagenet.find("val", settings(nested))
    assert [file.name for file in listing.files] == ["a.png", "b.JPEG", "c.JPEG"]
    assert listing.labels.tolist() == [0, 0, 999]
    assert imagenet.find("train", settings(nested)).labels.tolist() == [1]


def test_the_folder_of_the_environment_may_be_the_split_itself(nested, monkeypatch):
    monkeypatch.setenv(imagenet.FOLDER, str(nested / "val"))
    assert len(imagenet.find("val", settings(None))) == 3


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("val.txt", "x.JPEG 0\ny.JPEG 999\n"),
        ("labels.txt", f"y {TISSUE}\nx {TENCH}\nz.JPEG 5\n"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\ny,{TISSUE} 1 2 3 4\nx,{TENCH} 85 1 499 272\n"),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_a_flat_folder_takes_its_labels_from_a_file(tmp_path, name, lines, beside):
    for file in ("x.JPEG", "y.JPEG"):
        picture(tmp_path / "val" / file)
    (tmp_path / ("" if beside else "val") / name).write_text(lines)
    assert imagenet.find("val", settings(tmp_path)).labels.tolist() == [0, 999]


def test_the_sample_is_read_from_its_archive_and_serves_validation_alone(tmp_path, monkeypatch):
    archive = tmp_path / "imagenet-sample-256.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for name, colour in ((f"{GOLDFISH}_goldfish.jpg", (0, 0, 255)), (f"{TENCH}_tench.jpg", (0, 255, 0))):
            picture(tmp_path / name, colour)
            content.write(tmp_path / name, name)
    found = sources.Source(imagenet.SAMPLE, "mirror variant", tmp_path)
    monkeypatch.setattr(sources, "settled", lambda name, cfg: found)
    listing = imagenet.find("val", settings(None))
    assert (listing.kind, listing.labels.tolist()) == ("mirror variant", [0, 1])
    assert listing.read(1).getpixel((5, 5))[2] > 240
    assert imagenet.find("train", settings(None)) is None


def test_without_any_images_there_is_no_listing(monkeypatch):
    def nowhere(name, cfg):
        raise sources.Missing("nowhere")

    monkeypatch.setattr(sources, "settled", nowhere)
    assert imagenet.find("val", settings(None)) is None


def spoil_nothing(root: Path) -> None:
    root.mkdir()


def spoil_with_a_word(root: Path) -> None:
    picture(root / "fish" / "a.jpg")


def spoil_with_empty_classes(root: Path) -> None:
    (root / TENCH).mkdir(parents=True)


def spoil_with_no_labels(root: Path) -> None:
    picture(root / "a.jpg")
    (root / imagenet.DEVKIT).write_text("490\n")


def spoil_with_a_gap(root: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture(root / name)
    (root / "val.txt").write_text("a.jpg 3\n")


def spoil_with_a_class(root: Path) -> None:
    picture(root / "a.jpg")
    (root / "val.txt").write_text("a.jpg 1000\n")


def spoil_with_bytes(root: Path) -> None:
    picture(root / "a.jpg")
    (root / "val.txt").write_bytes(b"\xff\xfe")


def spoil_with_train_alone(root: Path) -> None:
    picture(root / "train" / TENCH / "a.jpg")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda root: None, "data.imagenet in params.yaml names .* which is no folder"),
        (spoil_nothing, "neither classes' folders .* nor images"),
        (spoil_with_a_word, "folder 'fish', which is no WordNet id"),
        (spoil_with_empty_classes, "1 classes' folders but no images"),
        (spoil_with_no_labels, f"no file of labels .{imagenet.DEVKIT} will not do"),
        (spoil_with_a_gap, "val.txt has no line for b.jpg"),
        (spoil_with_a_class, "val.txt: line 1: '1000' is neither"),
        (spoil_with_bytes, "val.txt is no text in UTF-8"),
        (spoil_with_train_alone, "has no folder 'val'"),
    ],
)
def test_a_folder_of_the_wrong_shape_is_told_plainly(tmp_path, spoil, told):
    root = tmp_path / "imagenet"
    spoil(root)
    with pytest.raises(UserError, match=told):
        imagenet.find("val", settings(root))


def test_a_damaged_image_is_named(nested):
    damaged = nested / "val" / TENCH / "a.png"
    damaged.write_bytes(b"no image")
    with pytest.raises(UserError, match=re.escape(str(damaged))):
        imagenet.find("val", settings(nested)).read(0)


def test_an_image_that_may_not_be_read_is_not_to_be_replaced(nested, monkeypatch):
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    listing = imagenet.find("val", settings(nested))
    monkeypatch.setattr(Image, "open", denied)
    with pytest.raises(PermissionError):
        listing.read(0)


def test_the_home_of_nobody_is_told():
    with pytest.raises(UserError, match=r"data\.imagenet in params\.yaml names ~nosuchuser/x, the home of a user who"):
        imagenet.find("val", settings(Path("~nosuchuser/x")))


def test_a_balanced_subset_has_each_class_alike(tmp_path):
    labels = torch.tensor([0] * 5 + [7] * 3 + [9] * 2)
    listing = imagenet.Listing("official", tuple(Path(str(k)) for k in range(10)), labels)
    few = listing.balanced(6, seed=0)
    assert few.labels.bincount().tolist() == [2, 0, 0, 0, 0, 0, 0, 2, 0, 2]
    assert len(set(few.files)) == 6
    assert few.files == listing.balanced(6, seed=0).files != listing.balanced(6, seed=1).files
    assert len(listing.balanced(99, seed=0)) == 10


def test_preprocessing_resizes_crops_and_normalises():
    image = Image.new("RGB", (60, 30))
    image.paste((255, 0, 0), (15, 0, 45, 30))  # the middle square is red, the rest black
    how = Preprocessing(resize=20, crop=16, interpolation="bicubic")
    x = how.evaluation()(image)
    black = torch.tensor(how.black())
    red = torch.stack([torch.tensor((1 - 0.485) / 0.229), *black[1:]])
    assert (x.shape, x.dtype) == ((3, 16, 16), torch.float32)
    torch.testing.assert_close(x, red.view(3, 1, 1).expand_as(x), atol=1e-5, rtol=0)


def test_augmentation_depends_on_seed_epoch_and_image_alone(nested):
    for k in range(8):
        image = Image.effect_noise((40, 30), 80).convert("RGB")
        image.save(nested / "train" / GOLDFISH / f"{k}.png")
    listing, how = imagenet.find("train", settings(nested)), Preprocessing(24, 16)
    one, other = (Pictures(listing, how.training(), seed=0) for _ in range(2))
    whole = torch.stack([one[k][0] for k in range(len(one))])
    ranks = [DistributedSampler(other, num_replicas=3, rank=rank, shuffle=False) for rank in range(3)]
    for rank, sampler in enumerate(ranks):
        x, y = next(iter(DataLoader(other, batch_size=9, sampler=sampler)))
        assert torch.equal(x, whole[rank::3])
        assert y.tolist() == [1, 1, 1]
    one.set_epoch(1)
    assert not torch.equal(one[0][0], whole[0])
    state = torch.get_rng_state()
    one[0]
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's numbers are drawn
