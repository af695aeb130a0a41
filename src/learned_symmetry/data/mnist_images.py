"""MNIST as the 2D experiments of Nix et al. 2022 use it: split for training, translated, turned (Sections 2.2, 2.5).

The translated set is MNIST-C's "translate" (Mu and Gilmer 2019). Theirs is one published draw of the signs; where that
file is not at hand the same set is made with another draw, from a fixed stream.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.config import Settings
from learned_symmetry.data import idx, mnist, sources
from learned_symmetry.errors import UserError
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.rng import generator

NAME = "mnist-c"
ARCHIVE = "mnist_c.zip"
SHIFT = 3  # pixels: severity 3, the default of MNIST-C's translate
PUBLISHED, GENERATED = "MNIST-C, published", "MNIST-C, generated"


@dataclass(frozen=True)
class Images:
    """x (n, 1, 28, 28) float32 in [0, 1]; y (n,) int64."""

    x: Tensor
    y: Tensor


def unit(images: Tensor) -> Tensor:
    """Bytes as float32 in [0, 1], without any other normalisation (nix2022 D24)."""
    return images.float().div_(255)


def splits(
    images: Tensor,
    labels: Tensor,
    seed: int,
    validation: float,
    *,
    train_images: int | None = None,
    valid_images: int | None = None,
) -> tuple[Images, Images]:
    """Training and validation images; the share `validation` of all, in a shuffled order, is for validation (D24).

    The limits keep at most that many of each, the first of the full split: a reduced profile trains on a subset and
    never on what the full one validates on. The order depends on `seed` and the number of images alone, so that
    MNIST and its translated copy are split alike.
    """
    order = torch.randperm(len(labels), generator=generator(seed, "validation"))
    held = round(validation * len(labels))
    parts = order[held:][:train_images], order[:held][:valid_images]
    train, valid = (Images(unit(images[part]), labels[part]) for part in parts)
    return train, valid


def translated(split: str, cfg: Settings) -> tuple[Tensor, Tensor]:
    """MNIST-C's translate for "train" or "test": images (n, 1, 28, 28) uint8 and labels (n,) int64.

    The published file where it is at hand, else made from MNIST (`origin`). Raises `UserError` for an unknown split and
    for an archive that is not the published one.
    """
    if split not in idx.PREFIX:
        raise UserError(f"{NAME} has no split {split!r}; it has {' and '.join(idx.PREFIX)}")
    archive = _archive(cfg)
    if archive is not None:
        return _read(archive, split)
    images, labels = mnist.load(split, cfg)
    signs = torch.randint(2, (len(labels), 2), generator=generator(0, "mnist-c", "translate", split)) * 2 - 1
    return moved(images, signs), labels


def origin(cfg: Settings) -> str:
    """Where `translated` takes its images from, for the provenance: `PUBLISHED` or `GENERATED`."""
    return GENERATED if _archive(cfg) is None else PUBLISHED


def moved(images: Tensor, signs: Tensor) -> Tensor:
    """Each image (n, ..., h, w) moved by 3 pixels right (left) and down (up) for signs (n, 2) of +1 (-1); zero fill.

    The authors warp bilinearly, which for whole pixels is this exactly, and by the opposite offset, which is as likely.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (SHIFT,) * 4)
    out = torch.empty_like(images)
    for right in (-1, 1):
        for down in (-1, 1):
            chosen = (signs == torch.tensor([right, down])).all(1)
            top, left = SHIFT - down * SHIFT, SHIFT - right * SHIFT
            out[chosen] = padded[..., top : top + height, left : left + width][chosen]
    return out


def rotated(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """All images in each of the four quarter turns, one turn after another, and their labels: 4n of each (D38)."""
    group = QuarterTurns()
    return group.orbit(images).flatten(0, 1), labels.repeat(group.order)


def _archive(cfg: Settings) -> Path | None:
    """The published archive, checked, where it lies in data/raw or in a mirror folder; it is never downloaded here.

    None where a stand-in is taken for MNIST, for the translated images must be of the same stand-in.
    """
    if mnist.source(cfg).kind == "stand-in":
        return None
    folders = [sources.raw_folder(NAME), *(folder / NAME for folder in sources.mirror_folders(cfg.data.mirror))]
    path = next((folder / ARCHIVE for folder in folders if (folder / ARCHIVE).is_file()), None)
    if path is not None:
        want, found = sources.registered(NAME)["files"][ARCHIVE]["sha256"], sources.digest(path)
        if found != want:
            raise UserError(f"{path} has sha256 {found}, not {want}; put the published file there, or delete it")
    elif lacking := sources.incomplete(NAME, cfg.data.mirror):
        raise UserError(f"{lacking[0]} has no {ARCHIVE}; put the published file there, or take that folder away")
    return path


def _read(archive: Path, split: str) -> tuple[Tensor, Tensor]:
    with zipfile.ZipFile(archive) as file:
        images, labels = (
            np.load(io.BytesIO(file.read(f"mnist_c/translate/{split}_{what}.npy")), allow_pickle=False)
            for what in ("images", "labels")
        )
    # Published with the channel last; with one channel that is the same memory
    return torch.from_numpy(images).reshape(-1, 1, *images.shape[1:3]), torch.from_numpy(labels).long()
