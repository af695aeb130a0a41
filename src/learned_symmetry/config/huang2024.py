"""Settings of Huang et al. 2024. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import MNIST
from learned_symmetry.config.types import Distinct, Record

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
    shifts: Annotated[list[PositiveInt], Field(min_length=1), Distinct]


class Cloning(Strict):
    blocks: Annotated[list[Annotated[int, Field(ge=1, le=20)]], Field(min_length=1), Distinct]
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
    pooled: Record[Group, Literal["mean", "max"]]
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
    symmetry: Record[Literal["mlp", "convolution", "cloned", "unfreeze"], Training]
    breaking: Record[Literal["mlp", "convolution", "unfreeze"], Training]


class Penalty(Strict):
    dim: Literal["flat", "code"]
    reduction: Literal["sum", "mean"]
    beta: Record[Literal["symmetry", "breaking"], NonNegativeFloat]


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

    def misfits(self) -> Iterator[Misfit]:
        """Sizes that fit together: clones for the rows of Table 1, a canvas large enough for its layers and shifts."""
        block = self.canvas
        for group in ("t2", "c4"):
            if block.size(group) < 16:
                yield f"canvas.{group}_pad", f"makes a canvas of {block.size(group)} pixels, less than 16; raise it"
        if block.max_shift >= block.size("t2") - block.t2_pad:
            yield "canvas.max_shift", f"may leave nothing of a digit on {block.size('t2')} pixels; lower it"
        if block.min_right > block.max_shift:
            yield "canvas.min_right", f"is larger than canvas.max_shift, {block.max_shift}; lower it"
        last = (block.size("t2") - 4) // 2 - 4  # pixels a side of what the last layer of `cloning.training` gives
        if max(self.cloning.measured.shifts) >= last:
            yield "cloning.measured.shifts", f"leave nothing of maps of {last} pixels to compare; lower the largest"
        for target, least in {"t2": 3 + max(self.mixers.measured.shifts), "so2": 5}.items():
            if getattr(self.mixers.size, target) < least:
                yield f"mixers.size.{target}", f"leaves too little to measure; raise it to {least}"
        if not {7, 8, 9} <= set(self.cloning.blocks):
            yield "cloning.blocks", "needs 9, 8 and 7, the rows of Table 1; add what is missing"
        yield from self.over(MNIST["test"], "test images of MNIST", "test_images")
        yield from self.over(MNIST["train"] - 1, "images of MNIST that training can spare", "tasks.validation")
        left = MNIST["train"] - self.tasks.validation
        for task in ("symmetry", "breaking"):
            keys = [f"tasks.{task}.{kind}.images" for kind in self.at(f"tasks.{task}")]
            yield from self.over(left, "training images of MNIST beside tasks.validation", *keys)
