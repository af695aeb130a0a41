"""Settings of the cross-examination. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from pydantic import PositiveInt

from learned_symmetry.config import Settings


class Cross(Settings):
    images: PositiveInt
    saliency_images: PositiveInt
    saliency_steps: PositiveInt
    jacobian_images: PositiveInt
