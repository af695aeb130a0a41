"""Giving a merged network back the statistics of its endpoints: batch-norm reset and REPAIR (Jordan et al. 2023)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from learned_symmetry.models import watch


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel of a layer, (c,) each."""

    mean: Tensor
    std: Tensor


@torch.no_grad()
def statistics(network: nn.Module, batches: Iterable[Tensor], layers: Sequence[str]) -> dict[str, Statistics]:
    """Of each layer's outputs (n, c, ...): the averages over batches of their means and of their variances."""
    totals: dict[str, Tensor] = {}  # (2, c) float64
    count = 0

    def take(layer: str, output: Tensor) -> None:
        if layer != "logits":
            rows = output.transpose(0, 1).flatten(1)
            fresh = torch.stack([rows.mean(1), rows.var(1)]).double()
            totals[layer] = totals[layer] + fresh if layer in totals else fresh

    for x in batches:
        watch(network, x, layers, take)
        count += 1
    found = {layer: total / count for layer, total in totals.items()}
    return {layer: Statistics(mean, variance.sqrt()) for layer, (mean, variance) in found.items()}


def goals(
    first: Mapping[str, Statistics], second: Mapping[str, Statistics], alpha: float = 0.5
) -> dict[str, Statistics]:
    """What a network at (1 - alpha) first + alpha second should have: means and standard deviations between theirs."""
    return {
        layer: Statistics(
            torch.lerp(one.mean, second[layer].mean, alpha), torch.lerp(one.std, second[layer].std, alpha)
        )
        for layer, one in first.items()
    }


@torch.no_grad()
def with_norms(network: nn.Module, wanted: Mapping[str, Statistics], eps: float) -> nn.Module:
    """A copy with a batch norm after each of these layers, whose outputs get the wanted statistics.

    Layer L becomes L.0, the norm L.1. Its running statistics are to be found yet: `reset_norms`.
    """
    made = copy.deepcopy(network)
    for layer, goal in wanted.items():
        norm = nn.BatchNorm2d(len(goal.mean), eps=eps).to(next(made.parameters()))
        norm.bias.copy_(goal.mean)
        norm.weight.copy_(goal.std)
        made.set_submodule(layer, nn.Sequential(made.get_submodule(layer), norm))
    return made


@torch.no_grad()
def reset_norms(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Give all batch norms the statistics of these batches, each batch counting the same, in one pass; in place.

    The pass is in training mode, so each layer's statistics are taken with all earlier layers already corrected.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative average
    network.train()
    for x in batches:
        network(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


@torch.no_grad()
def fused(network: nn.Module, layers: Iterable[str]) -> nn.Module:
    """A copy in which convolutions take in the norms that `with_norms` put after them: the original modules again."""
    made = copy.deepcopy(network).eval()
    for layer in layers:
        made.set_submodule(layer, fuse_conv_bn_eval(*made.get_submodule(layer)))
    return made


def repaired(merged: nn.Module, wanted: Mapping[str, Statistics], batches: Sequence[Tensor], eps: float) -> nn.Module:
    """REPAIR of a network without norms: the outputs of its convolutions get the `wanted` statistics.

    Returns a network of the same architecture. An endpoint's statistics are of its convolutions' outputs, with channels
    in the merged network's order. `eps` is the norms': channels whose variance is not far above it shrink.
    """
    return fused(reset_norms(with_norms(merged, wanted, eps), batches), wanted)
