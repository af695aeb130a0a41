"""The six published networks of Bruintjes et al. 2023, Figures 4 and 7: weights, preprocessing, measurement (3.6).

Weights are files TAG.safetensors (or .pth, .npz, as timm publishes them) in ``imagenet-weights`` of a mirror folder or
in ``data/raw/imagenet-weights``; or they are downloaded, where ``imagenet.weights`` says so. Their revisions and sha256
are in ``data/imagenet_networks.yaml``.
"""

from __future__ import annotations

import errno
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from learned_symmetry import config, published
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import sources
from learned_symmetry.data.imagenet import Listing, Pictures, Preprocessing
from learned_symmetry.errors import UserError
from learned_symmetry.groups import Moves
from learned_symmetry.measure.equivariance import Scores, Similarity, equivariance
from learned_symmetry.models.timm_networks import LAYOUTS, laid_out
from learned_symmetry.precision import ieee_float32
from learned_symmetry.published import NUMBERS, Absent, File, Unfit

REGISTRY = Path("data/imagenet_networks.yaml")
FOLDER = "imagenet-weights"
SUFFIXES = (".safetensors", ".pth", ".npz")
BATCH = 4  # images at once, each with its moved copies; changes nothing but rounding
AT_ONCE = 4  # elements in one pass: the sums of ResNeXt-101's pairs of channels take 0.6 GB for each


@dataclass(frozen=True)
class Loaded:
    """A network with its published weights, in evaluation mode; how it wants its images; what its weights were."""

    network: nn.Module
    how: Preprocessing
    weights: dict[str, str]


def how_to_supply(tag: str) -> str:
    """A clause that tells the user where to put which file."""
    return (
        f"put model.safetensors of huggingface.co/timm/{tag} as {tag}.safetensors into data/raw/{FOLDER}/, or into "
        f"FOLDER/{FOLDER}/ of a mirror folder"
    )


def load(name: str, tag: str, cfg: Bruintjes2023) -> Loaded | Absent:
    """A network, or why its weights cannot be had. `name` is the paper's (`LAYOUTS`), `tag` timm's.

    Raises `UserError` for a tag that the registry does not have, and `Unfit` for a file that is not the published one
    or holds no weights of this network.
    """
    registry = config.read(REGISTRY)
    if tag not in registry:
        raise UserError(
            f"params.yaml: bruintjes2023.imagenet.networks.{name}.tag is {tag!r}, which {REGISTRY} does not have; add"
            f" it there, or take one of {', '.join(registry)}"
        )
    taken = {}
    path = published.find(FOLDER, [f"{tag}{suffix}" for suffix in SUFFIXES], cfg)
    if path is None and cfg.imagenet.weights == "download":
        path = _downloaded(tag, registry[tag]["revision"])
        if isinstance(path, Absent):
            return path
        taken = {"revision": path.parent.name}
    if path is None:
        return Absent(f"without the weights of {tag}: {how_to_supply(tag)}")
    file_name = f"{tag}{path.suffix}"
    sha256 = registry[tag]["sha256"] if path.suffix == SUFFIXES[0] else None
    file = published.checked(path, sha256, sources.raw_folder(FOLDER) / f"{file_name}.sha256")
    network = _read(tag, file)
    published.remember([file])
    how = preprocessing(network.pretrained_cfg)
    laid = laid_out(network, LAYOUTS[name], how.crop).requires_grad_(False).eval()
    return Loaded(laid, how, {"file": file_name, "sha256": file.sha256} | taken)


def _read(tag: str, file: File) -> nn.Module:
    """timm's network with the weights of a file. Raises `Unfit`."""
    import timm  # here: it takes seconds

    overlay = {"file": str(file.path), "custom_load": file.path.suffix == ".npz"}
    try:
        with torch.serialization.safe_globals(NUMBERS):
            return timm.create_model(tag, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # timm and its readers raise all kinds for a damaged file, and for another network's
        what = textwrap.shorten(f"{type(error).__name__}: {error}", 140)
        raise Unfit(
            f"{published.place(file.path)} holds no weights of {tag} ({what}); delete it, and {how_to_supply(tag)}"
        ) from error


def _downloaded(tag: str, revision: str | None) -> Path | Absent:
    """The weights as the Hub has them at a revision, or the newest; its folder is named after the one that it is."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        cache = sources.raw_folder(FOLDER) / "downloads"
        return Path(hf_hub_download(f"timm/{tag}", "model.safetensors", revision=revision, cache_dir=cache))
    except (OSError, EntryNotFoundError) as error:  # what the hub's client raises without a network is among these
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = f"which could not be downloaded ({type(error).__name__})"
        return Absent(f"without the weights of {tag}, {why}: go online, or {how_to_supply(tag)}")


def preprocessing(published: dict) -> Preprocessing:
    """What a checkpoint was published with, as timm reads it."""
    crop = published["input_size"][-1]
    resize = math.floor(crop / published["crop_pct"])
    return Preprocessing(resize, crop, published["interpolation"], tuple(published["mean"]), tuple(published["std"]))


def measure(
    network: nn.Module,
    batches: Callable[[], Iterable[Tensor]],
    moves: Moves,
    elements: Sequence[int],
    similarity: Similarity,
) -> dict[str, Scores]:
    """`equivariance` of a network that is `laid_out`, some elements at a time; `batches` are read anew for each."""
    found = []
    view = getattr(network, "view", lambda activation: activation)
    with ieee_float32():
        for first in range(0, len(elements), AT_ONCE):
            some = elements[first : first + AT_ONCE]
            found.append(equivariance(network, batches(), moves, network.strides, similarity, elements=some, view=view))
    return {layer: joined([scores[layer] for scores in found]) for layer in network.strides}


def joined(scores: Sequence[Scores]) -> Scores:
    """One layer's scores for several elements after each other."""
    return Scores(
        inv=torch.cat([s.inv for s in scores]),
        eqv={match: torch.cat([s.eqv[match] for s in scores]) for match in scores[0].eqv},
        undefined=torch.cat([s.undefined for s in scores]),
    )


def reader(listing: Listing, how: Preprocessing, device: torch.device) -> Callable[[], Iterable[Tensor]]:
    """Reads the images from the first each time it is called: batches (n, 3, crop, crop) on the device."""
    workers = 8 if device.type == "cuda" else 0  # a network on a CPU keeps it busy
    loader = DataLoader(Pictures(listing, how.evaluation()), batch_size=BATCH, num_workers=workers)
    return lambda: (images.to(device) for images, _ in loader)
