"""Settings of the cross-examination. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from pydantic import PositiveInt

from learned_symmetry.config import Settings, Strict


class Budget(Strict):
    images: PositiveInt
    layer_images: PositiveInt
    saliency_images: PositiveInt
    saliency_steps: PositiveInt
    jacobian_images: PositiveInt
    calibration_images: PositiveInt


class Cross(Settings):
    max_shift: PositiveInt
    digits: Budget
    photographs: Budget
