"""Files of published weights: from a mirror folder or data/raw, never unpickled, and checked against a sha256.

The registries (data/imagenet_resnet50.yaml, data/imagenet_networks.yaml) have the sha256 of files for which one is
stated. Any other published file is trusted when it is first used: `remember` writes its sha256 to ``FILE.sha256`` in
its folder of data/raw, and `checked` compares from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learned_symmetry.config import Settings
from learned_symmetry.data.sources import digest, mirror_folders, raw_folder
from learned_symmetry.errors import UserError
from learned_symmetry.results import write_atomically

# What a checkpoint needs in which a number (an epoch, an accuracy) is NumPy's, for `torch.serialization.safe_globals`:
# these make a number from bytes and do nothing else. NumPy 1 and 2 have them in modules of different names.
_SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
]


@dataclass(frozen=True)
class Absent:
    """Why a network cannot be measured, and what to do about it."""

    reason: str


class Unfit(UserError):
    """A file of weights is not what it should be, which is no other network's concern."""


@dataclass(frozen=True)
class File:
    """A file that was `checked`. `record` is where its sha256 is to be kept, where no registry has it."""

    path: Path
    sha256: str
    record: Path | None = None


def find(folder: str, names: Sequence[str], cfg: Settings) -> Path | None:
    """The first of the files `names` in `folder` of a mirror folder or of data/raw; None where none is there."""
    folders = [*(mirror / folder for mirror in mirror_folders(cfg.data.mirror)), raw_folder(folder)]
    return next((at / name for at in folders for name in names if (at / name).is_file()), None)


def checked(path: Path, sha256: str | None, record: Path) -> File:
    """A file that is the published one; `sha256` is its registry's, `record` has the one of its first use.

    Raises `Unfit` where neither, or something else, is there.
    """
    found = sha256_of(path)
    if sha256 is not None:
        if found != sha256:
            raise Unfit(
                f"{place(path)} has a sha256 of {found}, not of {sha256}: it is not the published file; get it again"
            )
        return File(path, found)
    first = record.read_text(errors="replace").partition(" ")[0] if record.is_file() else ""
    if first not in ("", found):
        raise Unfit(
            f"{place(path)} has a sha256 of {found}, not of {first} as when it was first used; get that file again, or"
            f" delete {record} to trust this one"
        )
    return File(path, found, record)


def sha256_of(path: Path) -> str:
    """`digest`. Raises `Unfit` for a file that cannot be read."""
    try:
        return digest(path)
    except OSError as error:
        raise Unfit(f"{place(path)} cannot be read ({error.strerror}); make it readable, or get it again") from error


def place(path: Path) -> Path:
    """Where a file is that may be a link into a cache, in which a damaged one is to be deleted."""
    return path.resolve() if path.is_symlink() else path


def remember(files: Iterable[File]) -> None:
    """Keep the sha256 of files of which no registry has it, as `sha256sum` writes it; for files that were of use."""
    for file in files:
        if file.record is not None:
            write_atomically(file.record, f"{file.sha256}  {file.path.name}\n".encode())
