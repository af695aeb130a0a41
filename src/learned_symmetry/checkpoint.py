"""Tensors on disk: written whole or not at all, and checked when they are read.

`torch.save` writes a zip archive with the CRC-32 of each of its parts, at which `torch.load` does not look: of a file
with one bit flipped it makes other weights. `load_tensors` looks.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from learned_symmetry.errors import UserError
from learned_symmetry.results import write_atomically


class Damaged(UserError):
    """A file is not what `save_tensors` wrote; `reason` is a clause without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); delete it and run the same command again")
        self.reason = reason


def save_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """`torch.save`, atomically. Through memory, because on a full disk torch's own writer does not say so."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    with buffer.getbuffer() as written:  # an error keeps no hold of it
        write_atomically(path, written)


def load_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `save_tensors` wrote, to the bit. Raises FileNotFoundError, and `Damaged` for anything else."""
    content = path.read_bytes()  # once, so that what is checked is what is loaded
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wrong = archive.testzip()
        held = torch.load(io.BytesIO(content), weights_only=True, map_location=device) if wrong is None else None
    except Exception as error:  # zipfile, zlib, pickle and torch raise a dozen kinds
        raise Damaged(path, f"it cannot be read: {type(error).__name__}") from error
    if wrong is not None:
        raise Damaged(path, f"the checksum of {wrong} is wrong")
    if not isinstance(held, dict):
        raise Damaged(path, f"it holds a {type(held).__name__}")
    return held


def resumed(path: Path, device: torch.device | str, like: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an unfinished training has left at `path`, or None: then it starts afresh.

    It must have the keys of `like`, and below them those of its mappings of tensors, of the same shapes but for their
    first axis, the runs that are still trained. A file that cannot be used is removed, with one line that says so.
    """
    try:
        held = load_tensors(path, device)
    except FileNotFoundError:
        return None
    except Damaged as error:
        reason = error.reason
    else:
        if _shape(held) == _shape(like):
            return held
        reason = "it is of another training"
    _dropped(path, reason, "this training starts afresh")
    return None


def resumed_row(path: Path) -> dict[str, Any] | None:
    """What an unfinished stage has measured already and written to `path` as JSON; None where it measures anew."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        _dropped(path, "it is not valid JSON", "this row is measured again")
        return None


def _dropped(path: Path, reason: str, what_now: str) -> None:
    print(f"{path} was damaged ({reason}) and is removed; {what_now}", file=sys.stderr, flush=True)
    path.unlink()


def _shape(content: Mapping[str, Any]) -> dict[str, Any]:
    """The keys, with the tensors below them; what else there is grows while training goes on."""

    def of(value: Any) -> Any:
        tensors = isinstance(value, Mapping) and all(isinstance(tensor, torch.Tensor) for tensor in value.values())
        return {name: tensor.shape[1:] for name, tensor in value.items()} if tensors else None

    return {key: of(value) for key, value in content.items()}
