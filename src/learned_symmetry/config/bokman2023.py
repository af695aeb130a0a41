"""Settings of Bökman and Kahl 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import CIFAR10, IMAGENET
from learned_symmetry.config.types import Distinct, DistinctHundredths

Share = Annotated[float, Field(ge=0, le=1)]
Channels = Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]  # red, green, blue


class Cooccurrence(Strict):
    images: PositiveInt
    cells: PositiveInt
    shapes: PositiveInt

    @model_validator(mode="after")
    def _fits(self) -> Cooccurrence:
        if 2 * self.shapes > self.cells**2:
            raise ValueError(f"{self.shapes} shapes and as many mirror images do not fit into {self.cells}^2 cells")
        return self


class Theory(Strict):
    draws: PositiveInt
    sizes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1), Distinct]
    condition: float = Field(gt=1)
    points: int = Field(ge=3)
    weights: PositiveInt
    directions: int = Field(ge=9)
    cooccurrence: Cooccurrence


class VggTraining(Strict):
    mean: Channels
    std: Channels
    image_size: Literal[8, 16, 32]
    flip_probability: Share
    crop_padding: NonNegativeInt
    momentum: float = Field(ge=0, lt=1)
    weight_decay: NonNegativeFloat
    invariance_weight: NonNegativeFloat
    late_start: Share
    width: int = Field(gt=0, multiple_of=2)
    init_gain: PositiveFloat
    seeds: PositiveInt
    images: PositiveInt
    epochs: PositiveInt
    warmup_epochs: NonNegativeFloat
    batch: PositiveInt
    lr: PositiveFloat
    bfloat16: bool
    validation_images: PositiveInt
    degenerate_accuracy: Share


class VggMerging(Strict):
    corr_eps: NonNegativeFloat
    repair_eps: PositiveFloat
    zero_filter_tolerance: PositiveFloat
    projection_seed: NonNegativeInt
    alphas: Annotated[list[Share], Field(min_length=3), DistinctHundredths]
    calibration_images: PositiveInt
    batch: PositiveInt
    test_images: PositiveInt
    invariance_images: PositiveInt


class Vgg(Strict):
    training: VggTraining
    merging: VggMerging


class Merge(Strict):
    """How networks with norms are matched and repaired."""

    corr_eps: PositiveFloat
    repair_eps: PositiveFloat


class Rate(Strict):
    lr: PositiveFloat


class SimSiam(Rate):
    """`least_area` of a crop, as a share; the others are of the projector, the predictor and `ColourJitter`."""

    out: PositiveInt
    hidden: PositiveInt
    least_area: Share
    jitter: Share
    jittered: Share
    grey: Share


class Head(Rate):
    epochs: PositiveInt


class Small(Strict):
    """ResNets on CIFAR-10. Networks see the first `train_images` and are tested on the first `test_images`."""

    seeds: PositiveInt
    sizes: list[PositiveInt] = Field(min_length=2, max_length=2)
    blocks: list[PositiveInt] = Field(min_length=1)
    width: PositiveInt
    mean: Channels
    std: Channels
    padding: NonNegativeInt
    batch: PositiveInt
    momentum: Share
    weight_decay: NonNegativeFloat
    warmup: Share
    train_images: PositiveInt
    test_images: PositiveInt
    watched_images: PositiveInt
    calibration_images: PositiveInt
    calibration_batch: PositiveInt
    epochs: PositiveInt
    supervised: Rate
    supervised_inv: Rate
    simsiam: SimSiam
    head: Head


class DistributedTraining(Strict):
    """`decay`: factor of the learning rate after each `decay_every` epochs. `batch` is that of all processes."""

    epochs: PositiveInt
    batch: PositiveInt
    lr: PositiveFloat
    momentum: Share
    weight_decay: NonNegativeFloat
    decay: PositiveFloat
    decay_every: PositiveInt
    workers: NonNegativeInt
    bfloat16: bool


class ImageNet(Strict):
    blocks: list[PositiveInt] = Field(min_length=1)
    width: PositiveInt
    resize: PositiveInt
    notebook_resize: PositiveInt
    calibration_images: PositiveInt
    calibration_batch: PositiveInt
    geometry_images: PositiveInt
    workers: NonNegativeInt
    training: DistributedTraining


class Resnet(Strict):
    merge: Merge
    inv_weight: NonNegativeFloat
    small: Small
    imagenet: ImageNet


SEEN = {  # keys that ask for images, by the split of CIFAR-10 that they are of
    "train": (
        "vgg.training.images",
        "vgg.merging.calibration_images",
        "vgg.merging.invariance_images",
        "resnet.small.train_images",
    ),
    "test": ("vgg.training.validation_images", "vgg.merging.test_images", "resnet.small.test_images"),
}
WITHIN = {  # key -> that of the images of which those are the first
    "resnet.small.watched_images": "resnet.small.test_images",
    "resnet.small.calibration_images": "resnet.small.train_images",
}


class Bokman2023(Settings):
    theory: Theory
    resnet: Resnet
    vgg: Vgg

    def misfits(self) -> Iterator[Misfit]:
        """More images than there are, and what lists and schedules need."""
        training, alphas, sizes = self.vgg.training, self.vgg.merging.alphas, self.resnet.small.sizes
        if training.warmup_epochs >= training.epochs:
            yield "vgg.training.warmup_epochs", f"leaves none of {training.epochs} epochs to come down; lower it"
        if alphas != sorted(alphas) or (alphas[0], alphas[-1]) != (0, 1):
            yield "vgg.merging.alphas", "must rise from 0.0 to 1.0; mend it"
        if [size % 2 for size in sizes] != [0, 1]:
            yield "resnet.small.sizes", "must be an even number and then an odd one; mend it"
        for split, name in (("train", "training"), ("test", "test")):
            yield from self.over(CIFAR10[split], f"{name} images of CIFAR-10", *SEEN[split])
        for key, of in WITHIN.items():
            yield from self.over(self.at(of), f"of {of}", key)
        yield from self.over(IMAGENET["train"], "training images of ImageNet", "resnet.imagenet.calibration_images")
