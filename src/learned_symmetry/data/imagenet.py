"""ImageNet-1k (Russakovsky et al. 2015): a folder of its images that the user has, or the 1,000-image sample.

The images are too many for memory and of all sizes, so that they are read as they are needed (`Pictures`, for a
DataLoader) and not as one tensor. `find` looks at ``data.imagenet`` of params.yaml, then at the environment variable
LEARNED_SYMMETRY_IMAGENET, then for the sample; nothing is ever downloaded, and nothing needs ImageNet to go on.

A folder holds ``val`` (and ``train`` for training), or is itself that of the one split, in one of two shapes:

- a folder a class, named by its WordNet id: ``val/n01440764/ILSVRC2012_val_00000293.JPEG``;
- all images in one folder with a file of labels in it or beside it (`LABELS`): lines ``NAME CLASS`` (or with a comma;
  a first line of titles is passed over), the class as WordNet id or as index 0..999 in the order of the ids.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re
import zipfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from learned_symmetry.config import Settings
from learned_symmetry.data import sources
from learned_symmetry.errors import UserError
from learned_symmetry.rng import generator, stream

SAMPLE = "imagenet-sample"  # its name in data/sources.yaml
FOLDER = "LEARNED_SYMMETRY_IMAGENET"  # environment
CLASSES = 1000
SUFFIXES = (".jpeg", ".jpg", ".png")
LABELS = ("labels.txt", "val.txt", "LOC_val_solution.csv")
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"  # counts the classes in an order that only its devkit knows
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels from 0 to 1; torchvision's
Interpolation = Literal["bilinear", "bicubic"]


@cache
def classes() -> dict[str, int]:
    """WordNet id -> class index 0..999, in the order of the ids, as all published weights count them (timm's list)."""
    timm = importlib.util.find_spec("timm").submodule_search_locations[0]  # not imported: that takes seconds
    ids = (Path(timm) / "data/_info/imagenet_synsets.txt").read_text().split()
    return {wnid: index for index, wnid in enumerate(ids)}


@dataclass(frozen=True)
class Listing:
    """Which images there are, none of them read yet.

    Attributes:
        kind: ``official`` (the user's folder), or ``mirror variant`` (the sample).
        files: one an image; inside `archive`, where that is given.
        labels: class indices (n,) int64.
    """

    kind: sources.Kind
    files: tuple[Path, ...]
    labels: Tensor
    archive: Path | None = None

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> Image.Image:
        """One image, in RGB. Raises `UserError` for a file that is none."""
        file = self.files[index]
        try:
            if self.archive is None:
                return Image.open(file).convert("RGB")
            with zipfile.ZipFile(self.archive) as archive:
                return Image.open(io.BytesIO(archive.read(str(file)))).convert("RGB")
        except PermissionError:  # which replacing does not mend
            raise
        except (OSError, zipfile.BadZipFile) as error:  # PIL's errors are among these
            place = file if self.archive is None else f"{file} in {self.archive}"
            raise UserError(f"{place} is no image that can be read ({type(error).__name__}); replace it") from error

    def take(self, chosen: Tensor) -> Listing:
        """The images of these indices, in their order."""
        return replace(self, files=tuple(self.files[k] for k in chosen.tolist()), labels=self.labels[chosen])

    def balanced(self, images: int, seed: int) -> Listing:
        """`images` of them at random, as many of each class as of any other or one more; all where there are fewer."""
        order = torch.randperm(len(self), generator=generator(seed, "imagenet", "subset"))
        one_hot = torch.nn.functional.one_hot(self.labels[order], CLASSES).to(torch.int32)
        turn = one_hot.cumsum(0).gather(1, self.labels[order].unsqueeze(1)).squeeze(1)  # its number in its class
        return self.take(order[turn.argsort(stable=True)][:images])


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its images: shorter side `resize`, then the middle `crop` × `crop`, in pixels."""

    resize: int
    crop: int
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    def evaluation(self):
        """Image -> (3, crop, crop) float32 (torchvision's transforms v2)."""
        from torchvision.transforms import v2  # here and below, because it takes seconds

        return v2.Compose([v2.Resize(self.resize, self._mode()), v2.CenterCrop(self.crop), *self._normalised()])

    def training(self):
        """The same with a random resized crop and a random flip instead (torchvision's defaults)."""
        from torchvision.transforms import v2

        crop = v2.RandomResizedCrop(self.crop, interpolation=self._mode())
        return v2.Compose([crop, v2.RandomHorizontalFlip(), *self._normalised()])

    def black(self) -> tuple[float, ...]:
        """What a black pixel is after normalisation, one a channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    def _mode(self):
        from torchvision.transforms import InterpolationMode

        return InterpolationMode(self.interpolation)

    def _normalised(self) -> list:
        from torchvision.transforms import v2

        return [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(self.mean, self.std)]


@dataclass
class Pictures(Dataset):
    """Images of a listing as (tensor, class index), for a DataLoader with any sampler (DistributedSampler too).

    With a `seed`, a transform that is random draws from (seed, epoch, image) alone: whichever worker or machine reads
    it, and after a restart. Call `set_epoch` before each epoch's iteration.
    """

    listing: Listing
    transform: object
    seed: int | None = None
    epoch: int = field(default=0, init=False)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.listing)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.listing.read(index), int(self.listing.labels[index])
        if self.seed is None:
            return self.transform(image), label
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(self.seed, "augmentation", self.epoch, int(index)))
            return self.transform(image), label


def find(split: str, cfg: Settings) -> Listing | None:
    """The images of split "train" or "val", or None where there are none; the sample serves for "val" alone.

    Raises `UserError` for a folder that is set but of the wrong shape.
    """
    if split not in ("train", "val"):
        raise UserError(f"imagenet has no split {split!r}; it has train and val")
    named = cfg.data.imagenet or os.environ.get(FOLDER)
    if named:
        where = "data.imagenet in params.yaml" if cfg.data.imagenet else f"the environment variable {FOLDER}"
        root = sources.named_folder(named, where, "ImageNet")
        if (root / split).is_dir():
            return folder(root / split)
        if split == "train" or (root / "train").is_dir():
            raise UserError(f"{where} names {root}, which has no folder {split!r}; add it with the images of {split}")
        return folder(root)
    return sample(cfg) if split == "val" else None


def how_to_supply(split: str = "val") -> str:
    """A clause that tells the user how to come by the images."""
    return (
        f"set data.imagenet in params.yaml, or the environment variable {FOLDER}, to a folder that has ImageNet's "
        f"images in {split}/WNID/"
    )


def folder(path: Path) -> Listing:
    """The images of a folder in either shape, sorted by name. Raises `UserError` where it is of neither."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir())
    if not folders:
        return _flat(path)
    unknown = [entry.name for entry in folders if entry.name not in classes()]
    if unknown:
        raise UserError(
            f"{path} has the folder {unknown[0]!r}, which is no WordNet id of ImageNet's 1,000 classes (such as "
            f"n01440764); name each class's folder by its id"
        )
    found = [(file, classes()[entry.name]) for entry in folders for file in _images(entry)]
    if not found:
        raise UserError(f"{path} has {len(folders)} classes' folders but no images ({', '.join(SUFFIXES)}) in them")
    files, labels = zip(*found, strict=True)
    return Listing("official", files, torch.tensor(labels))


def sample(cfg: Settings) -> Listing | None:
    """The 1,000 images, one a class, of shorter side 256; None where the file cannot be had."""
    try:
        archive = sources.settled(SAMPLE, cfg).folder / "imagenet-sample-256.zip"
    except sources.Missing:
        return None
    with zipfile.ZipFile(archive) as content:
        files = sorted(name for name in content.namelist() if name.lower().endswith(SUFFIXES))
    return Listing(
        "mirror variant", tuple(map(Path, files)), torch.tensor([_index(f[:9], f, archive) for f in files]), archive
    )


def _images(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)


def _flat(path: Path) -> Listing:
    files = _images(path)
    if not files:
        raise UserError(f"{path} has neither classes' folders (such as n01440764) nor images; {how_to_supply()}")
    places = [place / name for name in LABELS for place in (path, path.parent) if (place / name).is_file()]
    if not places:
        also = f" ({DEVKIT} will not do: it counts the classes in another order)" if _has(path, DEVKIT) else ""
        raise UserError(
            f"{path} has images but no classes' folders and no file of labels{also}; put {LABELS[0]} there, with a "
            f"line NAME WNID for each image"
        )
    try:
        lines = places[0].read_text().splitlines()
    except UnicodeDecodeError:
        raise UserError(
            f"{places[0]} is no text in UTF-8; write it anew, with a line NAME WNID for each image"
        ) from None
    named = {}
    for number, line in enumerate(lines):
        words = re.split(r"[,\s]+", line.strip())
        if len(words) > 1 and not (number == 0 and words[0] == "ImageId"):
            named[words[0].split(".")[0]] = _index(words[1], f"line {number + 1}", places[0])
    missing = [file.name for file in files if file.stem not in named]
    if missing:
        raise UserError(f"{places[0]} has no line for {missing[0]} of {path}; add it, or remove the image")
    return Listing("official", tuple(files), torch.tensor([named[file.stem] for file in files]))


def _has(path: Path, name: str) -> bool:
    return any((place / name).is_file() for place in (path, path.parent))


def _index(name: str, what: str, place: Path) -> int:
    """The class index that `name` is, or is the WordNet id of."""
    if name in classes():
        return classes()[name]
    if name.isdecimal() and int(name) < CLASSES:
        return int(name)
    raise UserError(f"{place}: {what}: {name!r} is neither a class's WordNet id nor 0..999; mend it")
