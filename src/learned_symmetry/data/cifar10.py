"""CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test photographs in 10 classes, 32 × 32."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from learned_symmetry.config import Settings
from learned_symmetry.data import sources, standins
from learned_symmetry.errors import UserError

NAME = "cifar10"
CLASSES = 10
BATCHES = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}


def load(split: str, cfg: Settings, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32) uint8 and labels (n,) int64; split "train" or "test", its first `limit` or all of it.

    From the official archive, else from the re-encoded variant, else the stand-in: `source` says which. Raises
    `UserError` for an unknown split, and where the files cannot be had or are not what they should be.
    """
    if split not in BATCHES:
        raise UserError(f"{NAME} has no split {split!r}; it has {' and '.join(BATCHES)}")
    found = source(cfg)
    if found.folder is None:
        images, labels = standins.load(NAME, split)
        return images[:limit], labels[:limit]
    read = archived if found.kind == "official" else encoded
    return read(found.folder, split, limit)


def source(cfg: Settings) -> sources.Source:
    """Where `load` takes them from; its `kind` belongs in the provenance of every result."""
    return sources.settled(NAME, cfg)


def archived(folder: Path, split: str, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """From the official archive, whose sha256 was checked before its pickles are opened; in its order."""
    path = folder / "cifar-10-python.tar.gz"
    images, labels = [], []
    try:
        with tarfile.open(path) as archive:
            for name in BATCHES[split]:
                batch = pickle.load(archive.extractfile(f"cifar-10-batches-py/{name}"), encoding="bytes")
                images.append(batch[b"data"])
                labels += batch[b"labels"]
    except PermissionError:  # which fetching it again does not mend
        raise
    except (OSError, EOFError, KeyError, tarfile.TarError, pickle.UnpicklingError) as error:
        raise _damaged(path, error) from error
    return torch.from_numpy(np.concatenate(images)[:limit]).view(-1, 3, 32, 32), torch.tensor(labels[:limit])


def encoded(folder: Path, split: str, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """From the variant: JPEG bytes in a parquet file, in one fixed random order; the first few are decoded fast."""
    import pyarrow.parquet  # these here, because nothing else needs them
    from PIL import Image

    path = folder / f"{split}.parquet"
    try:
        table = pyarrow.parquet.read_table(path, columns=["image", "label"])[:limit]
        images = np.stack([np.asarray(Image.open(io.BytesIO(jpeg.as_py()))) for jpeg in table["image"]])
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's and PIL's are among these
        raise _damaged(path, error) from error
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(table["label"].to_pylist())


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read ({type(error).__name__}); delete it and run again")
