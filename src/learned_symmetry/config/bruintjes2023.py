"""Settings of Bruintjes et al. 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict

Share = Annotated[float, Field(ge=0, le=1)]
RGB = Annotated[list[float], Field(min_length=3, max_length=3)]


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
    shifts: list[PositiveInt] = Field(min_length=1)


class Training(Strict):
    """`images`: the first of the training set, or null for all; `validation` likewise, of the test set."""

    images: PositiveInt | None
    validation: PositiveInt | None
    epochs: PositiveInt
    batch: PositiveInt
    evaluate_every: PositiveInt
    drops: list[PositiveInt]


class Controlled(Strict):
    layers: PositiveInt
    kernel: Annotated[PositiveInt, AfterValidator(_odd)]
    sigmas: list[PositiveFloat] = Field(min_length=1)
    sigma: PositiveFloat
    cut: PositiveInt
    size: PositiveInt
    images: PositiveInt


class Maps(Strict):
    """Figure 2a."""

    pairs: PositiveInt
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

    networks: dict[Literal["effnet_b6", "effnet_b7", "resnext101", "inception_v3", "vit", "mixer"], Published]
    seed: int
    weights: Literal["supplied", "download"]
    images: PositiveInt
    shifts: list[PositiveInt] = Field(min_length=1)


class SmallCNN(Strict):
    kind: Literal["cnn"]
    depth: PositiveInt
    width: PositiveInt


class SmallViT(Strict):
    kind: Literal["vit"]
    depth: PositiveInt
    width: PositiveInt
    heads: PositiveInt


class SmallMixer(Strict):
    kind: Literal["mixer"]
    depth: PositiveInt
    width: PositiveInt


class Small(Strict):
    seeds: PositiveInt
    networks: dict[
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
