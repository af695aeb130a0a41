"""Stand-ins: shaped like what they stand in for, the same on every call, and learnable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from learned_symmetry import config
from learned_symmetry.data import standins

ROOT = Path(__file__).parents[1]
SIZES = {"mnist": (1437, 360), "fashion-mnist": (2000, 500), "cifar10": (2000, 500)}
SHAPE = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


@pytest.fixture(scope="module", params=standins.STAND_INS)
def both(request: pytest.FixtureRequest) -> tuple[str, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return request.param, standins.load(request.param, "train"), standins.load(request.param, "test")


def test_those_of_the_registry_are_those_that_there_are():
    registry = config.read(ROOT / "data/sources.yaml")
    assert {name for name, entry in registry.items() if "stand_in" in entry} == standins.STAND_INS.keys()


def test_shapes_types_and_range(both):
    name, *splits = both
    for (images, labels), size in zip(splits, SIZES[name], strict=True):
        assert images.shape == (size, *SHAPE[name])
        assert labels.shape == (size,)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert images.max() >= 250
        assert name == "cifar10" or images.median() == 0  # background


def test_every_call_gives_the_same(both):
    name, (images, labels), _ = both
    torch.manual_seed(1)  # the global state has no part in it
    again = standins.load(name, "train")
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], labels)


def test_no_image_is_in_both_splits(both):
    _, train, test = both
    digests = [{hashlib.sha256(image.numpy().tobytes()).digest() for image in images} for images, _ in (train, test)]
    assert not digests[0] & digests[1]


def test_ten_balanced_classes(both):
    for images, labels in both[1:]:
        counts = torch.bincount(labels, minlength=10)
        assert len(counts) == 10
        assert counts.min() > 0.6 * len(images) / 10


def test_nearest_class_mean_does_well_but_not_perfectly(both):
    """On coloured shapes, which turn and have any ground, it only sees what is warm and what is large."""
    name, (images, labels), (unseen, truth) = both
    means = torch.stack([images[labels == c].float().mean(0).flatten() for c in range(10)])
    guess = torch.cdist(unseen.float().flatten(1), means).argmin(1)
    low, high = (0.2, 0.5) if name == "cifar10" else (0.6, 0.97)
    assert low < (guess == truth).float().mean() < high
