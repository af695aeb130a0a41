"""Trained ResNet-50s from many places as one network: those of Bökman and Kahl 2023, Section 4.2 (protocol 2.6).

``data/imagenet_resnet50.yaml`` says which files there are; `found` gets those of a network and `network` reads them,
whatever of these layouts they have: a plain ``state_dict``, one under the key "state_dict", from a distributed wrapper
("module."), without the counters of the batch norms, or with the linear head in a file of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
import torch.hub
from torch import Tensor

from learned_symmetry import config, published
from learned_symmetry.data.sources import MIRROR, raw_folder
from learned_symmetry.models.bottleneck import BottleneckResNet, resnet50
from learned_symmetry.published import NUMBERS, Absent, File, Unfit

REGISTRY = Path("data/imagenet_resnet50.yaml")
NAME = "resnet50"  # of the folder in a mirror and in data/raw
WRAPPERS = ("module.", "backbone.", "encoder.")


def rows() -> dict[str, dict[str, Any]]:
    """The registry: networks by their row in the paper's tables."""
    return config.read(REGISTRY)


def found(entry: dict[str, Any], cfg: config.Settings) -> list[File] | Absent:
    """The files of a network of the registry, downloaded where they have a URL; or what is missing.

    Raises `Unfit` for a file that is not the published one.
    """
    files = []
    for file, about in entry["files"].items():
        path, target = published.find(NAME, [file], cfg), raw_folder(NAME) / file
        if path is None and "url" in about:
            path = _download(about["url"], target)
        if path is None:
            how = entry.get("supply") or f"download {about['url']}"
            return Absent(
                f"{file} is missing: {how}; put it into data/raw/{NAME}/, or into FOLDER/{NAME}/ and set data.mirror in"
                f" params.yaml, or {MIRROR}, to FOLDER"
            )
        if "url" in about:
            files.append(published.checked(path, about["sha256"], target.with_name(f"{file}.sha256")))
        else:  # the user's own, which may be made anew
            files.append(File(path, published.sha256_of(path)))
    return files


def network(paths: Sequence[Path]) -> BottleneckResNet:
    """ResNet-50 with the weights in `paths`, ready to evaluate; a second file holds the linear head.

    Raises `Unfit` where they do not fit.
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
        raise Unfit(
            f"{files} hold no whole ResNet-50 with a linear head: {len(wrong)} tensors are missing, too many or of"
            f" another shape ({', '.join(sorted(wrong)[:3])}, ...); see {REGISTRY} for the right files"
        )
    made.load_state_dict(state)
    return made.requires_grad_(False).eval()


def _plain(path: Path) -> dict[str, Tensor]:
    """A file's tensors under the names that torchvision's ResNet-50 has for them."""
    try:
        with torch.serialization.safe_globals(NUMBERS):
            held = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # whatever a damaged file makes of the reader
        raise Unfit(
            f"{path} cannot be read as weights ({type(error).__name__}); delete it, and get it again"
        ) from error
    held = held.get("state_dict", held) if isinstance(held, Mapping) else {}
    named = {}
    for name, tensor in held.items() if isinstance(held, Mapping) else ():
        if not isinstance(tensor, Tensor):  # the epoch, say
            continue
        name = str(name)
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
    except (URLError, HTTPException, ConnectionError, TimeoutError):
        return None
    return target
