"""A 1 x 1 convolution with a stride that does not convolve with it."""

from __future__ import annotations

from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """``Conv2d(before, after, 1, step, bias=False)``, parameters and start included, as two steps.

    (b, before, h, w) -> (b, after, ceil(h / step), ceil(w / step)).
    """

    def __init__(self, before: int, after: int, step: int) -> None:
        super().__init__(before, after, 1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        # Not `stride`: oneDNN 3.12 (torch 2.13) writes past a buffer in the backward pass of a strided 1 x 1
        # convolution on channels-last input of fewer channels than its vector block: a crash, or wrong gradients
        # (uxlfoundation/oneDNN issue 6035). Every step-th pixel first is the same function.
        return super().forward(x[..., :: self.step, :: self.step])
