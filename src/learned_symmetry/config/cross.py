"""Settings of the cross-examination. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import PositiveInt

from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import CIFAR10, MNIST, MNIST6

SIDE = 16  # pixels of the smallest images that are translated: the least canvas of huang2024


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

    def misfits(self) -> Iterator[Misfit]:
        """More images than there are, and shifts that leave nothing of an image."""
        if self.max_shift >= SIDE:
            yield "max_shift", f"may leave nothing of an image of {SIDE} pixels; lower it"
        yield from self.over(MNIST["test"], "test images of MNIST", "digits.images")
        yield from self.over(MNIST6["train"], "training images of MNIST6", "digits.calibration_images")
        yield from self.over(CIFAR10["test"], "test images of CIFAR-10", "photographs.images")
        yield from self.over(CIFAR10["train"], "training images of CIFAR-10", "photographs.calibration_images")
        for kind in ("digits", "photographs"):
            measured = [f"{kind}.{part}_images" for part in ("layer", "saliency", "jacobian")]
            yield from self.over(self.at(kind).images, f"of {kind}.images", *measured)
