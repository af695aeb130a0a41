"""A ResNet merged with its own mirror image: what a row of Tables 3 and 5 of Bökman and Kahl 2023 is measured on.

Protocol 2.6. The calibration batches serve matching, the batch-norm reset and REPAIR alike.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learned_symmetry.groups import Flip
from learned_symmetry.measure.mirrored_filters import matched_twin
from learned_symmetry.measure.relative_invariance import relative_invariance
from learned_symmetry.merge.average import averaged, relative_barrier
from learned_symmetry.merge.channels import Channels
from learned_symmetry.merge.matching import matched, moments
from learned_symmetry.merge.permute import Permutations, assert_same, flipped, permuted
from learned_symmetry.merge.repair import goals, reset_norms, statistics, with_norms
from learned_symmetry.models.bottleneck import BottleneckResNet
from learned_symmetry.precision import ieee_float32

Accuracies = Callable[[dict[str, nn.Module]], dict[str, float]]  # networks by name -> theirs, in one pass of the images
COLUMNS = (  # of a row: Tables 3 and 5, then two that only the authors' notebook prints
    "invariance_error",
    "accuracy",
    "flip_accuracy",
    "halfway_accuracy_norepair",
    "halfway_accuracy",
    "gcnn_barrier_norepair",
    "gcnn_barrier",
    "halfway_accuracy_nopermute",
    "halfway_accuracy_nobnreset",
)
CHECKED = 8  # images on which relabelling is seen to change nothing


@dataclass(frozen=True)
class Merge:
    """How networks are matched and repaired."""

    corr_eps: float  # beside the product of two standard deviations, in a correlation
    repair_eps: float  # of the norms that REPAIR inserts


def merged(
    network: nn.Module,
    moved: nn.Module,
    groups: Sequence[Channels],
    layers: Sequence[str],
    batches: Sequence[Tensor],
    how: Merge,
) -> tuple[dict[str, nn.Module], Permutations]:
    """Networks halfway to one with `moved` filters, by the column that their accuracy stands in, and the permutations.

    halfway_accuracy_nopermute: channels not matched; _nobnreset: matched; _norepair: and all batch norms reset;
    halfway_accuracy: and repaired after each of `layers`. `groups` says which channels are relabelled together. Call
    without gradients, `network` in evaluation mode.
    """
    order = matched(moments(network, moved, batches, groups), how.corr_eps)
    twin = permuted(moved, groups, order)
    assert_same(moved, twin, batches[0][:CHECKED])
    halfway = averaged(network, twin)
    # In training mode the endpoints' own batch norms have the statistics of each batch, as those of the average will
    ends = (statistics(copy.deepcopy(end).train(), batches, layers) for end in (network, twin))
    repaired = with_norms(halfway, goals(*ends), how.repair_eps)
    return {
        "halfway_accuracy_nopermute": averaged(network, moved),
        "halfway_accuracy_nobnreset": halfway,
        "halfway_accuracy_norepair": reset_norms(copy.deepcopy(halfway), batches),
        "halfway_accuracy": reset_norms(repaired, batches),
    }, order


@torch.no_grad()
def row(
    network: BottleneckResNet, batches: Sequence[Tensor], accuracies: Accuracies, how: Merge
) -> tuple[dict[str, float], Permutations]:
    """The columns of one row, and the permutations that match the mirror image.

    The invariance error is that on the calibration images; barriers of networks that are never right are NaN.
    """
    with ieee_float32():
        halfway, order = merged(network, flipped(network), network.channels(), network.bottlenecks(), batches, how)
    told = accuracies({"accuracy": network, "flip_accuracy": flipped(network), **halfway})
    told["invariance_error"] = relative_invariance(network, torch.cat(list(batches)), Flip())
    for kind in ("", "_norepair"):
        ends = (told["accuracy"], told["flip_accuracy"])
        barrier = relative_barrier(*ends, told[f"halfway_accuracy{kind}"]) if any(ends) else math.nan
        told[f"gcnn_barrier{kind}"] = barrier
    return told, order


def stem(network: BottleneckResNet, orders: Permutations) -> dict[str, list]:
    """What Figure 9 shows: the stem's filters (out, 3, k, k), and mirrored in the order that matches them, as lists."""
    filters = network.conv1.weight.cpu()
    return {"filters": filters.tolist(), "twins": matched_twin(filters, orders["maxpool"].cpu()).tolist()}


@torch.no_grad()
def geometry(network: nn.Module, x: Tensor) -> float:
    """Mean over images of |f(x) - f'(mirrored x)| / |f(x)|, where f' is f with mirrored filters (protocol 2.6, R16)."""
    still, moved = network(x), flipped(network)(x.flip(-1))
    return ((still - moved).norm(dim=1) / still.norm(dim=1)).mean().item()
