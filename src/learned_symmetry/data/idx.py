"""The IDX format of MNIST and of the sets made in its image: four gzipped files, big-endian, unsigned bytes."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from learned_symmetry.config import Settings
from learned_symmetry.data import sources, standins
from learned_symmetry.errors import UserError

UNSIGNED_BYTES = 0x08
PREFIX = {"train": "train", "test": "t10k"}


def load(name: str, split: str, cfg: Settings) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 28, 28) uint8 and labels (n,) int64 of ``"train"`` or ``"test"``, or those of the stand-in.

    Raises `UserError` for an unknown split, and where the files cannot be had or are not what they should be.
    """
    if split not in PREFIX:
        raise UserError(f"{name} has no split {split!r}; it has {' and '.join(PREFIX)}")
    source = sources.settled(name, cfg)
    if source.folder is None:
        return standins.load(name, split)
    images = read(source.folder / f"{PREFIX[split]}-images-idx3-ubyte.gz", (None, 28, 28))
    labels = read(source.folder / f"{PREFIX[split]}-labels-idx1-ubyte.gz", (len(images),))
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels).long()


def read(path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """The array of one file, uint8, writable; None in `shape` allows any length.

    Raises `UserError` where the file is missing, not gzipped, or not an IDX file of unsigned bytes in that shape.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro data`") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"is not a whole gzip file ({error})") from None
    header = 4 + 4 * len(shape)
    if len(content) < header or content[:4] != bytes((0, 0, UNSIGNED_BYTES, len(shape))):
        raise _damaged(path, f"is not an IDX file of unsigned bytes in {len(shape)} dimensions")
    found = struct.unpack(f">{len(shape)}I", content[4:header])
    if any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        raise _damaged(path, f"holds an array of shape {found} where {shape} was expected")
    if len(content) != header + int(np.prod(found)):
        raise _damaged(path, f"holds {len(content) - header} bytes where the shape {found} needs {int(np.prod(found))}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(found).copy()


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}; delete it and run `dvc repro data`")
