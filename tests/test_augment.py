"""Augmentations of batches against torchvision's of single images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, autoaugment, functional, v2

from learned_symmetry.data import augment
from learned_symmetry.data.augment import Crops, CutMix, Flips, RandAugment

NAMES = (
    *("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"),
    *("Posterize", "Solarize", "AutoContrast", "Equalize", "Identity"),
)  # torchvision's, in the order of augment.OPERATIONS


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Smooth noise, as photographs are smoother than pixels at random."""
    small = torch.rand(12, 3, 8, 8, generator=stream())
    x = torch.nn.functional.interpolate(small, size=32, mode="bicubic").clamp(0, 1) * 255
    return x.to(torch.uint8), torch.arange(12) % 10


AUGMENTATIONS = [Crops(4), Flips(0.5), CutMix(1.0, 1.0, 10), RandAugment(2, 9)]


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda a: type(a).__name__)
def test_a_batch_depends_on_its_draws_alone(augmentation: augment.Augmentation, batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    before = x.clone()
    torch.manual_seed(1)
    first = augmentation.apply(x, y, augmentation.draw(stream(5), len(y)))
    torch.manual_seed(2)
    again = augmentation.apply(x, y, augmentation.draw(stream(5), len(y)))
    other = augmentation.apply(x, y, augmentation.draw(stream(9), len(y)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(x, before)  # the data set is not written to
    assert (first[0].shape, first[0].dtype) == (x.shape, torch.uint8)


def test_crops_are_torchvisions(batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    draws = Crops(4).draw(stream(), len(y))
    cropped, labels = Crops(4).apply(x, y, draws)
    for image, ours, down, right in zip(x, cropped, draws["down"].tolist(), draws["right"].tolist(), strict=True):
        assert torch.equal(ours, functional.crop(functional.pad(image, 4), down, right, 32, 32))
    assert torch.equal(labels, y)
    middle = {"down": torch.full((12,), 4), "right": torch.full((12,), 4)}
    assert torch.equal(Crops(4).apply(x, y, middle)[0], x)
    many = Crops(4).draw(stream(), 5000)
    assert all(torch.bincount(places, minlength=9).min() > 450 for places in many.values())  # 0..8, 556 each


def test_flips_are_torchvisions(batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    draws = Flips(0.5).draw(stream(), len(y))
    flipped, _ = Flips(0.5).apply(x, y, draws)
    assert 0 < draws["flipped"].sum() < len(y)
    for image, ours, mirrored in zip(x, flipped, draws["flipped"].tolist(), strict=True):
        assert torch.equal(ours, functional.hflip(image) if mirrored else image)
    assert Flips(0.3).draw(stream(), 5000)["flipped"].float().mean().item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("kept", "centre"), [(0.5, (0.3, 0.6)), (0.9, (0.99, 0.0)), (0.0, (0.5, 0.5)), (1.0, (0.2, 0.2))]
)
def test_cutmix_is_torchvisions(batch: tuple[Tensor, Tensor], kept: float, centre: tuple[float, float]) -> None:
    """With its own draws put into torchvision's parameters; torchvision pairs each image with the one before."""
    x, y = batch
    partner = torch.arange(len(y)).roll(1)
    draws = {"mixed": torch.tensor([True]), "centre": torch.tensor(centre), "kept": torch.tensor([kept])}
    ours, shares = CutMix(1.0, 0.5, 10).apply(x, y, draws | {"partner": partner})
    half = int(0.5 * (1 - kept) ** 0.5 * 32)
    top, left = (int(place * 32) - half for place in centre)
    box = tuple(min(max(edge, 0), 32) for edge in (left, top, left + 2 * half, top + 2 * half))
    share = 1 - (box[2] - box[0]) * (box[3] - box[1]) / 32**2
    theirs = v2.CutMix(num_classes=10)
    parameters = {"labels": y, "batch_size": len(y), "box": box, "lam_adjusted": share}
    assert torch.equal(ours, theirs.transform(x, parameters))
    torch.testing.assert_close(shares, theirs.transform(y, parameters))


def test_cutmix_mixes_every_second_batch_and_by_a_uniform_share(batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    cutmix = CutMix(1.0, 0.5, 10)
    drawn = [cutmix.draw(stream(seed), len(y)) for seed in range(400)]
    assert 150 < sum(draws["mixed"].item() for draws in drawn) < 250
    kept = torch.cat([draws["kept"] for draws in drawn])
    assert kept.mean().item() == pytest.approx(0.5, abs=0.05)  # Beta(1, 1)
    assert kept.std().item() == pytest.approx(12**-0.5, abs=0.03)
    still = next(draws for draws in drawn if not draws["mixed"])
    images, labels = cutmix.apply(x, y, still)
    assert torch.equal(images, x)
    assert torch.equal(labels.argmax(1), y)
    assert torch.equal(labels.sum(1), torch.ones(len(y)))


@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize("number", range(14), ids=NAMES)
@pytest.mark.parametrize("negative", [False, True])
def test_each_operation_is_torchvisions(
    batch: tuple[Tensor, Tensor], number: int, magnitude: int, negative: bool
) -> None:
    x, y = batch
    space = autoaugment.RandAugment()._augmentation_space(31, (32, 32))
    assert set(space) == set(NAMES)
    magnitudes, signed = space[NAMES[number]]
    assert signed == (number < augment.SIGNED)
    amount = magnitudes[magnitude].item() if magnitudes.ndim else 0.0
    amount = -amount if signed and negative else amount
    draws = {"operation": torch.full((1, 12), number), "negative": torch.full((1, 12), negative)}
    ours, _ = RandAugment(1, magnitude).apply(x, y, draws)
    theirs = [autoaugment._apply_op(i, NAMES[number], amount, InterpolationMode.NEAREST, [0.0] * 3) for i in x]
    assert torch.equal(ours, torch.stack(theirs))


def test_each_image_has_its_own_operations_in_a_row(batch: tuple[Tensor, Tensor]) -> None:
    x, y = batch
    draws = RandAugment(2, 9).draw(stream(), len(y))
    together, labels = RandAugment(2, 9).apply(x, y, draws)
    for k in range(len(y)):
        alone = x[k : k + 1]
        for step in range(2):
            one = {name: drawn[step : step + 1, k : k + 1] for name, drawn in draws.items()}
            alone, _ = RandAugment(1, 9).apply(alone, y[k : k + 1], one)
        assert torch.equal(together[k], alone[0])
    assert torch.equal(labels, y)
    many = RandAugment(2, 9).draw(stream(), 7000)
    assert torch.bincount(many["operation"].flatten(), minlength=14).min() > 850  # of 1,000 expected
    assert many["negative"].float().mean().item() == pytest.approx(0.5, abs=0.02)
