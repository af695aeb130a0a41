"""Trained ResNet-50s from many places as one network: those of Bökman and Kahl 2023, Section 4.2 (protocol 2.6).

``data/imagenet_resnet50.yaml`` says which files there are; `found` gets those of a network and `network` reads them,
whatever of these layouts they have: a plain ``state_dict``, one under the key "state_dict", from a distributed wrapper
("module."), without the counters of the batch norms, or with the linear head in a file of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.hub
from torch import Tensor

from learned_symmetry import config
from learned_symmetry.data.sources import MIRROR, digest, mirror_folders, raw_folder
from learned_symmetry.errors import UserError
from learned_symmetry.models.bottleneck import BottleneckResNet, resnet50

REGISTRY = Path("data/imagenet_resnet50.yaml")
NAME = "resnet50"  # of the folder in a mirror and in data/raw
WRAPPERS = ("module.", "backbone.", "encoder.")


@dataclass(frozen=True)
class Absent:
    """Why a network cannot be measured, and what to do about it."""

    reason: str


def rows() -> dict[str, dict[str, Any]]:
    """The registry: networks by their row in the paper's tables."""
    return config.read(REGISTRY)


def found(entry: dict[str, Any], cfg: config.Settings) -> list[Path] | Absent:
    """The files of a network of the registry, downloaded where they have a URL; or what is missing.

    Raises `UserError` for a file whose sha256 is not what its publisher says.
    """
    paths = []
    for file, about in entry["files"].items():
        folders = [folder / NAME for folder in mirror_folders(cfg.data.mirror)] + [raw_folder(NAME)]
        path = next((folder / file for folder in folders if (folder / file).is_file()), None)
        if path is None and "url" in about:
            path = _download(about["url"], raw_folder(NAME) / file)
        if path is None:
            how = entry.get("supply") or f"download {about['url']}"
            return Absent(
                f"{file} is missing: {how}; put it into data/raw/{NAME}/, or into FOLDER/{NAME}/ and set data.mirror in"
                f" params.yaml, or {MIRROR}, to FOLDER"
            )
        if not (sha256 := digest(path)).startswith(about.get("sha256", "")):
            raise UserError(f"{path} has a sha256 of {sha256}, not of {about['sha256']}...; delete it and run again")
        paths.append(path)
    return paths


def network(paths: Sequence[Path]) -> BottleneckResNet:
    """ResNet-50 with the weights in `paths`, ready to evaluate; a second file holds the linear head.

    Raises `UserError` where they do not fit.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        state |= _plain(path)
    made = resnet50()
    wanted = made.state_dict()
    # Converted from JAX, BYOL's has none of these counters, which nothing reads in evaluation mode
    state = {name: tensor for name, tensor in wanted.items() if name.endswith("num_batches_tracked")} | state
    wrong = [name for name in wanted.keys() | state.keys()
             if name not in wanted or name not in state or state[name].shape != wanted[name].shape]  # fmt: skip
    if wrong:
        files = " and ".join(map(str, paths))
        raise UserError(
            f"{files} hold no whole ResNet-50 with a linear head: {len(wrong)} tensors are missing, too many or of"
            f" another shape ({', '.join(sorted(wrong)[:3])}, ...); see {REGISTRY} for the right files"
        )
    made.load_state_dict(state)
    return made.requires_grad_(False).eval()


def _plain(path: Path) -> dict[str, Tensor]:
    """A file's tensors under the names that torchvision's ResNet-50 has for them."""
    try:
        held = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}); get it again") from error
    held = held.get("state_dict", held) if isinstance(held, Mapping) else {}
    named = {}
    for name, tensor in held.items():
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        named[name.replace("linear.", "fc.")] = tensor
    return named


def _download(url: str, target: Path) -> Path | None:
    """`target` from its URL, whole or not at all; None where it cannot be had."""
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"fetching {url}", file=sys.stderr, flush=True)
    try:
        torch.hub.download_url_to_file(url, str(target), progress=sys.stderr.isatty())
    except OSError:
        return None
    return target
