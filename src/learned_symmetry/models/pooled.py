"""A linear layer under a maximum: only the units that won have a gradient, so only their rows are worked on."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class PooledLinear(nn.Linear):
    """channels x positions units without bias, (b, features) -> (b, channels * positions); ``maxima`` pools them.

    Beside its units it gives the maximum over positions, whose backward pass is `positions` times less work than the
    product of dense matrices. The weight's gradient then comes by rows: keep the weight contiguous.
    """

    def __init__(self, features: int, channels: int, positions: int) -> None:
        super().__init__(features, channels * positions, bias=False)
        self.channels = channels

    def maxima(self, x: Tensor, units: Tensor) -> Tensor:
        """The maximum of each channel, (b, channels), of the units ``self(x)``; of equal units the first counts.

        Where a hook looks at the units, their gradient is dense anyway, and the plain maximum is cheaper.
        """
        if self._forward_hooks:
            return units.unflatten(-1, (self.channels, -1)).amax(-1)
        return _Maxima.apply(x, self.weight, units.detach(), self.channels)[0]


class _Maxima(torch.autograd.Function):
    """(..., b, i), (..., c p, i), (..., b, c p) -> maxima and their places in a channel, (..., b, c)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, units: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        return tuple(units.unflatten(-1, (channels, -1)).max(-1))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, weight, _, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, place = ctx.saved_tensors
        examples, rows = x.flatten(0, -2), weight.flatten(0, -2)  # of all runs
        runs, channels = len(examples) // x.shape[-2], place.shape[-1]
        first = torch.arange(0, len(rows), len(rows) // (runs * channels), device=x.device)  # row of each channel
        won = (first.view(runs, 1, channels) + place.view(runs, -1, channels)).view(-1, channels)
        share = grad.reshape(-1, channels)
        to_x = F.embedding_bag(won, rows, per_sample_weights=share, mode="sum")
        # For the weight the other way round: each row gathers the examples in which it won
        order = won.flatten().argsort(stable=True)
        counts = torch.bincount(won.flatten(), minlength=len(rows))
        to_rows = F.embedding_bag(
            order // channels,
            examples,
            counts.cumsum(0) - counts,
            per_sample_weights=share.flatten()[order],
            mode="sum",
        )
        return to_x.view_as(x), to_rows.view_as(weight), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        stacked = [
            value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(inputs[:3], in_dims, strict=False)
        ]
        return _Maxima.apply(*stacked, inputs[3]), (0, 0)
