"""The six published networks of Bruintjes et al. 2023, Figures 4 and 7: weights, preprocessing, measurement (3.6).

Weights are files TAG.safetensors (or .pth, .npz, as timm publishes them) in ``data/raw/imagenet-weights`` or in
``imagenet-weights`` of a mirror folder; or timm downloads them, where ``imagenet.weights`` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import sources
from learned_symmetry.data.imagenet import Listing, Pictures, Preprocessing
from learned_symmetry.groups import Moves
from learned_symmetry.measure.equivariance import Scores, Similarity, equivariance
from learned_symmetry.models.timm_networks import LAYOUTS, laid_out
from learned_symmetry.precision import ieee_float32

FOLDER = "imagenet-weights"
SUFFIXES = (".safetensors", ".pth", ".npz")
BATCH = 4  # images at once, each with its moved copies; changes nothing but rounding
AT_ONCE = 4  # elements in one pass: the sums of ResNeXt-101's pairs of channels take 0.6 GB for each


def weights(tag: str, cfg: Bruintjes2023) -> Path | None:
    """The file of a network's weights, by timm's tag; None where no folder has it."""
    folders = [sources.raw_folder(FOLDER), *(place / FOLDER for place in sources.mirror_folders(cfg.data.mirror))]
    files = (folder / f"{tag}{suffix}" for folder in folders for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def how_to_supply(tag: str) -> str:
    """A clause that tells the user where to put which file."""
    return (
        f"put model.safetensors of huggingface.co/timm/{tag} as {tag}.safetensors into data/raw/{FOLDER}/, or into "
        f"FOLDER/{FOLDER}/ of a mirror folder"
    )


def load(name: str, tag: str, cfg: Bruintjes2023) -> tuple[nn.Module, Preprocessing] | None:
    """A network with its published weights, in evaluation mode, and how it wants its images.

    None where its weights cannot be had. `name` is the paper's (`LAYOUTS`), `tag` timm's.
    """
    file = weights(tag, cfg)
    if file is None and cfg.imagenet.weights == "supplied":
        return None
    import timm  # here: it takes seconds

    overlay = {} if file is None else {"file": str(file)}
    try:
        network = timm.create_model(
            tag, pretrained=True, pretrained_cfg_overlay=overlay, cache_dir=sources.raw_folder(FOLDER) / "downloads"
        )
    except OSError:  # what requests and the hub's client raise without a network are among these
        if file is not None:
            raise
        return None
    how = preprocessing(network.pretrained_cfg)
    return laid_out(network, LAYOUTS[name], how.crop).requires_grad_(False).eval(), how


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
