"""Settings of Huang et al. 2024. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict
from learned_symmetry.errors import UserError

Group = Literal["t2", "c4"]
Channels = Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]


class Adam(Strict):
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    eps: PositiveFloat


class Canvas(Strict):
    """Images as the models see them: averaged over squares of `downsample` pixels, then padded; pixels after that."""

    downsample: Literal[1, 2]
    t2_pad: NonNegativeInt
    c4_pad: NonNegativeInt
    max_shift: PositiveInt
    min_right: PositiveInt

    def size(self, group: Group) -> int:
        return 28 // self.downsample + 2 * (self.t2_pad if group == "t2" else self.c4_pad)


class CloningLr(Strict):
    t2: PositiveFloat
    lift: PositiveFloat
    group: PositiveFloat


class PerLayer(Strict):
    t2: PositiveInt
    lift: PositiveInt
    group: PositiveInt


class Measured(Strict):
    images: PositiveInt
    kernels: PositiveInt
    shifts: list[PositiveInt] = Field(min_length=1)


class Cloning(Strict):
    blocks: list[Annotated[int, Field(ge=1, le=20)]] = Field(min_length=1)
    lr: CloningLr
    weight_decay: NonNegativeFloat
    clip: PositiveFloat
    iterations: PositiveInt
    kernels: PositiveInt
    images: PerLayer
    images_are: Literal["shared", "each"]
    steps: PerLayer
    evaluate_every: PositiveInt
    decay: float = Field(gt=0, le=1)
    measured: Measured


class MixerLr(Strict):
    t2: PositiveFloat
    so2: PositiveFloat


class PerMixer(Strict):
    t2: PositiveInt
    so2: PositiveInt


class Mixers(Strict):
    """Images have `channels` and are `size` pixels a side; a step draws `kernels`, each with `images` of its own."""

    channels: PositiveInt
    size: PerMixer
    lr: MixerLr
    weight_decay: NonNegativeFloat
    clip: PositiveFloat
    kernels: PerMixer
    images: PerMixer
    steps: PerMixer
    evaluate_every: PositiveInt
    decay: float = Field(gt=0, le=1)
    measured: Measured


class Widths(Strict):
    symmetry: list[PositiveInt]
    breaking: list[PositiveInt]


class Classifiers(Strict):
    cnn: Channels
    gcnn: Channels
    cloned: Channels
    pooled: dict[Group, Literal["mean", "max"]]
    hidden: PositiveInt
    dropout: float = Field(ge=0, lt=1)
    mlp: Widths


class Training(Strict):
    """How long, on how many images (null: all but those for validation), with which optimiser."""

    images: PositiveInt | None
    epochs: PositiveInt
    batch: PositiveInt
    lr: PositiveFloat
    weight_decay: NonNegativeFloat
    decoupled: bool


class Tasks(Strict):
    decay: float = Field(gt=0, le=1)
    validation: PositiveInt
    symmetry: dict[Literal["mlp", "convolution", "cloned", "unfreeze"], Training]
    breaking: dict[Literal["mlp", "convolution", "unfreeze"], Training]


class Penalty(Strict):
    dim: Literal["flat", "code"]
    reduction: Literal["sum", "mean"]
    beta: dict[Literal["symmetry", "breaking"], NonNegativeFloat]


class Huang2024(Settings):
    seeds: PositiveInt
    test_images: PositiveInt | None
    canvas: Canvas
    adam: Adam
    cloning: Cloning
    mixers: Mixers
    classifiers: Classifiers
    tasks: Tasks
    unfreeze: Penalty

    def verify(self) -> None:
        """Sizes that fit together: clones for the rows of Table 1, a canvas large enough for its layers."""
        here = f"params.yaml: huang2024 at scale {self.scale}"
        for group in ("t2", "c4"):
            if self.canvas.size(group) < 16:
                pad = f"canvas.{group}_pad"
                raise UserError(f"{here}: a canvas of {self.canvas.size(group)} pixels is too small; raise {pad}")
        if self.canvas.min_right > self.canvas.max_shift:
            raise UserError(f"{here}: canvas.min_right is larger than canvas.max_shift; lower it")
        for target, least in {"t2": 3 + max(self.mixers.measured.shifts), "so2": 5}.items():
            if getattr(self.mixers.size, target) < least:
                raise UserError(f"{here}: mixers.size.{target} leaves too little to measure; raise it to {least}")
        if not {7, 8, 9} <= set(self.cloning.blocks):
            raise UserError(f"{here}: cloning.blocks needs 9, 8 and 7, the rows of Table 1; add what is missing")
