"""Settings of Bruintjes et al. 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import CIFAR10 as PHOTOGRAPHS
from learned_symmetry.config.sizes import IMAGENET
from learned_symmetry.config.sizes import MNIST6 as DIGITS
from learned_symmetry.config.types import Distinct, Record

Share = Annotated[float, Field(ge=0, le=1)]
RGB = Annotated[list[float], Field(min_length=3, max_length=3)]
Shifts = Annotated[list[PositiveInt], Field(min_length=1), Distinct]  # pixels right and down
SIDES = {"evaluation.shifts": 32, "imagenet.shifts": 224}  # pixels of the smallest images that are moved


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("a filter has a centre where its size is odd")
    return size


class Translation(Strict):
    fill: Literal["black", "mean", "roll"]
    fractional: Literal["bilinear", "round", "exact"]
    least: PositiveInt


class Measure(Strict):
    match: Literal["mean", "sample"]
    constant: NonNegativeFloat
    pooled: Literal["samples", "channels"]
    translation: Translation


class Evaluation(Strict):
    """What trained networks are measured on."""

    seed: int
    turned: Literal["own", "plain"]
    images: PositiveInt
    shifts: Shifts


class Training(Strict):
    """`images`: the first of the training set, or null for all; `validation` likewise, of the test set."""

    images: PositiveInt | None
    validation: PositiveInt | None
    epochs: PositiveInt
    batch: PositiveInt
    evaluate_every: PositiveInt
    drops: Annotated[list[PositiveInt], Distinct]


class Controlled(Strict):
    layers: PositiveInt
    kernel: Annotated[PositiveInt, AfterValidator(_odd)]
    sigmas: Annotated[list[PositiveFloat], Field(min_length=1), Distinct]
    sigma: PositiveFloat
    cut: PositiveInt
    size: PositiveInt
    images: PositiveInt


class Maps(Strict):
    """Figure 2a."""

    pairs: int = Field(ge=2)
    size: PositiveInt
    offset: float


class Adam(Strict):
    lr: PositiveFloat
    beta1: Share
    beta2: Share
    eps: PositiveFloat
    weight_decay: NonNegativeFloat
    decoupled: bool


class SGD(Strict):
    lr: PositiveFloat
    momentum: Share
    weight_decay: NonNegativeFloat


class MNIST6(Strict):
    seeds: PositiveInt
    mean: float
    std: PositiveFloat
    channels: PositiveInt
    padding: int = Field(ge=0)
    optimiser: Adam
    drop: PositiveFloat
    training: Training


class Crops(Strict):
    padding: PositiveInt


class Flips(Strict):
    p: Share


class CutMix(Strict):
    alpha: PositiveFloat
    p: Share


class RandAugment(Strict):
    operations: PositiveInt
    magnitude: int = Field(ge=0, le=30)


class Augmentations(Strict):
    crops: Crops
    flips: Flips
    cutmix: CutMix
    randaugment: RandAugment


class Network(Strict):
    """`n` blocks a stage, of `width` channels in the first."""

    n: PositiveInt
    width: PositiveInt


class Wide(Network):
    augmentation: Literal["none", "crops", "flips", "cutmix", "randaugment"]


class CIFAR10(Strict):
    seeds: PositiveInt
    mean: RGB
    std: RGB
    resnet: Network
    wide: Wide
    augmentations: Augmentations
    optimiser: SGD
    drop: PositiveFloat
    bfloat16: bool
    channels_last: bool
    training: Training


class Published(Strict):
    tag: str
    top1: Share


class ImageNet(Strict):
    """Published networks; `weights`: only those that the user supplies, or downloaded too."""

    networks: Record[Literal["effnet_b6", "effnet_b7", "resnext101", "inception_v3", "vit", "mixer"], Published]
    seed: int
    weights: Literal["supplied", "download"]
    images: PositiveInt
    shifts: Shifts


Blocks = Annotated[int, Field(ge=3)]  # one at least that is early, middle and late


class SmallCNN(Strict):
    kind: Literal["cnn"]
    depth: PositiveInt
    width: PositiveInt


class SmallViT(Strict):
    kind: Literal["vit"]
    depth: Blocks
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _divides(self) -> SmallViT:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be divided among {self.heads} heads")
        return self


class SmallMixer(Strict):
    kind: Literal["mixer"]
    depth: Blocks
    width: PositiveInt


class Small(Strict):
    seeds: PositiveInt
    networks: Record[
        Literal["cnn_s", "cnn_l", "vit_s", "vit_l", "mixer_s", "mixer_l"],
        Annotated[SmallCNN | SmallViT | SmallMixer, Field(discriminator="kind")],
    ]
    optimiser: Adam
    drop: PositiveFloat
    training: Training


class Bruintjes2023(Settings):
    seeds: PositiveInt
    measure: Measure
    evaluation: Evaluation
    controlled: Controlled
    maps: Maps
    mnist6: MNIST6
    cifar10: CIFAR10
    imagenet: ImageNet
    small: Small

    def misfits(self) -> Iterator[Misfit]:
        """More images than there are, shifts that leave nothing of an image, and a filter that is cut away."""
        yield from self.over(DIGITS["train"], "training images of MNIST6", "mnist6.training.images")
        seen = ("mnist6.training.validation", "evaluation.images")
        yield from self.over(DIGITS["test"], "test images of MNIST6", *seen)
        for block in ("cifar10", "small"):
            yield from self.over(PHOTOGRAPHS["train"], "training images of CIFAR-10", f"{block}.training.images")
            yield from self.over(PHOTOGRAPHS["test"], "test images of CIFAR-10", f"{block}.training.validation")
        yield from self.over(IMAGENET["val"], "validation images of ImageNet", "imagenet.images")
        for key, side in SIDES.items():
            if max(self.at(key)) >= side:
                yield key, f"may leave nothing of an image of {side} pixels; lower {max(self.at(key))}"
        if self.controlled.cut >= self.controlled.kernel:
            yield "controlled.cut", f"leaves nothing of a filter of {self.controlled.kernel} pixels; lower it"
