"""Settings of Bökman and Kahl 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict
from learned_symmetry.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]
Channels = Annotated[list[PositiveFloat], Field(min_length=3, max_length=3)]  # red, green, blue


class Theory(Strict):
    draws: PositiveInt


class VggTraining(Strict):
    mean: Channels
    std: Channels
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
    alphas: list[Share] = Field(min_length=3)
    calibration_images: PositiveInt
    batch: PositiveInt
    test_images: PositiveInt
    invariance_images: PositiveInt


class Vgg(Strict):
    training: VggTraining
    merging: VggMerging


class Bokman2023(Settings):
    theory: Theory
    vgg: Vgg

    def verify(self) -> None:
        """Check what single values cannot show."""
        training, alphas = self.vgg.training, self.vgg.merging.alphas
        if training.warmup_epochs >= training.epochs:
            raise UserError(
                f"params.yaml: bokman2023.{self.scale}.vgg.training.warmup_epochs = {training.warmup_epochs:g} leaves"
                f" none of {training.epochs} epochs to come down; lower it"
            )
        if alphas != sorted(alphas) or (alphas[0], alphas[-1]) != (0, 1):
            raise UserError("params.yaml: bokman2023.vgg.merging.alphas must rise from 0.0 to 1.0; mend it")
