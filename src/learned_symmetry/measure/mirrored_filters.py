"""How near a layer is to a GCNN's under matched permutations (Bökman and Kahl 2023, Figures 1 and 4 to 8)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from learned_symmetry.groups import Flip
from learned_symmetry.merge.permute import cycle_lengths


def matched_twin(kernel: Tensor, order: Tensor, before: Tensor | None = None) -> Tensor:
    """P flip(kernel) P_before^T of a kernel (out, in, k, k): what merging averages with it; itself in a GCNN.

    `order` (out,) and `before` (in,) are the layer's and the previous layer's permutations; None on images.
    """
    twin = Flip().act(kernel, 1)[order]
    return twin if before is None else twin[:, before]


def kernel_residual(kernel: Tensor, order: Tensor, before: Tensor | None = None) -> float:
    """Frobenius norm of kernel - `matched_twin`, in units of the kernel's; 0 for a layer of a GCNN (equation 3)."""
    return ((kernel - matched_twin(kernel, order, before)).norm() / kernel.norm()).item()


def zero_filters(kernel: Tensor, tolerance: float) -> int:
    """Number of filters of a kernel (out, ...) whose norm is below `tolerance` times the layer's median norm."""
    norms = kernel.flatten(1).norm(dim=1)
    return int((norms < tolerance * norms.median()).sum())


def order_counts(permutations: Mapping[str, Tensor], live: Mapping[str, Tensor]) -> dict[str, dict[str, list[int]]]:
    """Numbers of channels of order 1, 2 and more by layer (Figure 4): {"all": {layer: [3 counts]}, "live": ...}.

    `live` (channels,) bool says by layer which channels are ever active; a dead one is matched at random.
    """
    counts: dict[str, dict[str, list[int]]] = {"all": {}, "live": {}}
    for layer, order in permutations.items():
        lengths = cycle_lengths(order)
        for kind, chosen in (("all", torch.ones_like(live[layer])), ("live", live[layer])):
            counted = torch.bincount(lengths[chosen].clamp(max=3), minlength=4)
            counts[kind][layer] = counted[1:].tolist()
    return counts


def order_shares(counts: Mapping[str, list[int]]) -> list[float]:
    """Shares of the channels of all layers together that have order 1, 2 and more; 0 where there are none."""
    sums = torch.tensor(list(counts.values())).sum(0)
    return (sums / sums.sum().clamp(min=1)).tolist()
