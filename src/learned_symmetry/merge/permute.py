"""Networks with flipped or otherwise moved filters, and with relabelled channels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from learned_symmetry.groups import Flip, Group
from learned_symmetry.merge.channels import Channels
from learned_symmetry.models.pointwise import Pointwise

Permutations = Mapping[str, Tensor]  # `Channels.watched` -> which old channel each new one is, (channels,) int64


def flipped(network: nn.Module) -> nn.Module:
    """A copy whose convolution kernels are mirrored, left to right (bokman2023, Section 3); see `moved`."""
    return moved(network, Flip(), 1)


@torch.no_grad()
def moved(network: nn.Module, group: Group, g: int) -> nn.Module:
    """A copy whose convolution kernels are moved by element g; nothing else changes.

    Where every layer but the kernels commutes with the group, it gives for moved inputs what `network` gives for
    unmoved ones. Raises TypeError for convolutions that make their kernels from other weights: those must be written
    out first.
    """
    made = copy.deepcopy(network)
    for name, part in made.named_modules():
        if isinstance(part, nn.modules.conv._ConvNd):
            if type(part) not in (nn.Conv2d, Pointwise):
                raise TypeError(f"{name} is a {type(part).__name__}; make it an nn.Conv2d before it is moved")
            part.weight.copy_(group.act(part.weight, g))
    return made


@torch.no_grad()
def permuted(network: nn.Module, channels: Sequence[Channels], permutations: Permutations) -> nn.Module:
    """A copy whose channels are relabelled: new channel i of a layer is old channel permutations[layer][i].

    The function stays the same (`assert_same` checks it). Layers without a permutation stay as they are.
    """
    made = copy.deepcopy(network)
    for group in channels:
        order = permutations.get(group.watched)
        if order is None:
            continue
        for name in group.writers:
            part = made.get_submodule(name)
            for tensor in (*part.parameters(), *part.buffers()):
                if tensor.dim():  # a batch norm's count of batches has no channels
                    tensor.copy_(tensor[order.to(tensor.device)])
        for name in group.readers:
            weight = made.get_submodule(name).weight
            weight.copy_(weight[:, order.to(weight.device)])
    return made


@torch.no_grad()
def assert_same(first: nn.Module, second: nn.Module, x: Tensor, tolerance: float = 1e-4) -> None:
    """Raise AssertionError where outputs for x differ by more than `tolerance` of the largest one: rounding aside.

    A permutation that misses one of the layers that share it gives another function; nothing else would tell.
    """
    one, other = first(x), second(x)
    off = ((one - other).abs().max() / one.abs().max()).item()
    if not off <= tolerance:
        raise AssertionError(f"relabelling channels changed the network's outputs by {off:.1e} of the largest")


def cycle_lengths(order: Tensor) -> Tensor:
    """Length of the cycle of a permutation (c,) that holds each element, (c,): a channel's order in Figure 4."""
    lengths, start = torch.zeros_like(order), torch.arange(len(order), device=order.device)
    place, step = order, 1
    while (unset := lengths == 0).any():
        lengths[unset & (place == start)] = step
        place, step = order[place], step + 1
    return lengths
