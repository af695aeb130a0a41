"""Activation matching (Li et al. 2015; bokman2023 protocol 2.5): which channel of one network is which of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from learned_symmetry.merge.channels import Channels
from learned_symmetry.models import features, watch


@dataclass
class Moments:
    """Sums over samples (images and positions) of two networks' activations of one layer, in float64."""

    count: int
    sums: tuple[Tensor, Tensor]  # (c,) each
    squares: tuple[Tensor, Tensor]  # (c,) each
    cross: Tensor  # (c, c)

    def variances(self) -> tuple[Tensor, Tensor]:
        """(c,) each, 0 where a channel is dead."""
        pairs = zip(self.sums, self.squares, strict=True)
        first, second = ((square / self.count - (total / self.count).square()).clamp(min=0) for total, square in pairs)
        return first, second

    def correlation(self, eps: float) -> Tensor:
        """(c, c): cov(first_i, second_j) / (std_i std_j + eps); 0 where that is no number."""
        first, second = (total / self.count for total in self.sums)
        std, other = (variance.sqrt() for variance in self.variances())
        found = (self.cross / self.count - first.outer(second)) / (std.outer(other) + eps)
        return found.nan_to_num(0, 0, 0)


@torch.no_grad()
def moments(
    first: nn.Module, second: nn.Module, batches: Iterable[Tensor], channels: Sequence[Channels]
) -> dict[str, Moments]:
    """`Moments` of every watched layer, in one pass of both networks over the `batches` of inputs.

    Products are in the networks' precision within a batch and summed in float64. Of one batch all watched activations
    of `first` are in memory at once, so batches should be small: 50 images of 32 x 32 stay in a CPU's cache. Nothing
    needs to be permuted on the way, because relabelling channels of earlier layers does not change later activations.
    """
    layers = [group.watched for group in channels]
    found: dict[str, Moments] = {}
    for x in batches:
        seen = features(first, x, layers)

        def take(layer: str, output: Tensor, seen: dict[str, Tensor] = seen) -> None:
            if layer == "logits":
                return
            a, b = (t.transpose(0, 1).flatten(1) for t in (seen.pop(layer), output))  # (c, samples)
            sums = [t.sum(1).double() for t in (a, b)]
            squares = [t.square().sum(1).double() for t in (a, b)]
            fresh = Moments(a.shape[1], tuple(sums), tuple(squares), (a @ b.mT).double())
            found[layer] = _plus(found[layer], fresh) if layer in found else fresh

        watch(second, x, layers, take)
    return found


def _plus(one: Moments, other: Moments) -> Moments:
    sums = tuple(a + b for a, b in zip(one.sums, other.sums, strict=True))
    squares = tuple(a + b for a, b in zip(one.squares, other.squares, strict=True))
    return Moments(one.count + other.count, sums, squares, one.cross + other.cross)


def assignment(correlation: Tensor) -> Tensor:
    """The permutation pi (c,) that maximises the sum over i of correlation[i, pi(i)]."""
    _, columns = linear_sum_assignment(correlation.cpu().numpy(), maximize=True)
    return torch.from_numpy(columns)


def matched(found: dict[str, Moments], eps: float) -> dict[str, Tensor]:
    """The permutation by layer that brings the second network's channels in the order of the first's."""
    return {layer: assignment(moment.correlation(eps)) for layer, moment in found.items()}
