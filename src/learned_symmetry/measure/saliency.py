"""SI, how alike a network's saliency maps are over an orbit (Moskalev et al. 2023, Section 3.2; protocol 2.5.1).

A map is made of integrated gradients (Sundararajan et al. 2017) in three steps: absolute values, a threshold, a blur.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from learned_symmetry.groups import Group

ROWS = 200  # inputs a pass, samples x group elements x steps: few enough for a CPU's cache


@dataclass(frozen=True)
class Recipe:
    """How a saliency map is made."""

    baseline: float | Tensor = 0.0  # of every pixel of the input where the path begins, or (1, c, 1, 1) by channel
    steps: int = 50  # midpoints of the straight path
    output: Literal["logit", "prob"] = "logit"  # what is differentiated
    threshold: float = 0.9  # pixels below this share of the largest become 0
    size: int = 3  # pixels a side of the blur's kernel
    sigma: float = 1.0  # pixels


def integrated_gradients(model: nn.Module, x: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Attributions of the output of class labels (n,) to inputs x (n, ...): the same shape.

    (x - b) times the mean gradient at the midpoints of the path from the baseline b. Samples and steps are one batch.
    """
    at = (torch.arange(recipe.steps, dtype=x.dtype, device=x.device) + 0.5) / recipe.steps
    found = []
    for part, targets in zip(*(t.split(max(1, ROWS // recipe.steps)) for t in (x, labels)), strict=True):
        way = part - recipe.baseline
        points = recipe.baseline + at.view(-1, *[1] * x.dim()) * way  # (steps, n, ...)
        flat = points.flatten(0, 1).requires_grad_()
        out = model(flat) if recipe.output == "logit" else model(flat).softmax(-1)
        chosen = out.gather(1, targets.repeat(recipe.steps).unsqueeze(1)).sum()
        (gradient,) = torch.autograd.grad(chosen, flat)
        found.append(way * gradient.view_as(points).mean(0))
    return torch.cat(found)


def maps(attributions: Tensor, recipe: Recipe) -> Tensor:
    """Saliency maps of attributions (n, c, h, w): |a| without what is below the threshold, blurred. All >= 0.

    The blur pads circularly, so that it commutes with cyclic shifts as with quarter turns.
    """
    a = attributions.abs()
    kept = a * (a >= recipe.threshold * a.amax((1, 2, 3), keepdim=True))
    return _blurred(kept, recipe)


def _blurred(x: Tensor, recipe: Recipe) -> Tensor:
    half = recipe.size // 2
    weights = torch.exp(
        -((torch.arange(recipe.size, dtype=x.dtype, device=x.device) - half) ** 2) / 2 / recipe.sigma**2
    )
    weights = weights / weights.sum()
    for axis in (-2, -1):
        x = sum(weight * x.roll(shift - half, axis) for shift, weight in enumerate(weights))
    return x


def orbit_maps(model: nn.Module, x: Tensor, group: Group, labels: Tensor, recipe: Recipe) -> Tensor:
    """Saliency maps of the moved copies of images x (n, c, h, w), moved back: (order, n, c, h, w)."""
    orbit = group.orbit(x)
    found = integrated_gradients(model, orbit.flatten(0, 1), labels.repeat(group.order), recipe)
    moved = maps(found, recipe).view_as(orbit)
    return torch.stack([group.act(moved[g], group.inverse(g)) for g in range(group.order)])


def saliency_similarity(
    model: nn.Module, x: Tensor, group: Group, labels: Tensor | None = None, recipe: Recipe | None = None
) -> float:
    """SI: mean cosine of m(x) and g^-1 m(gx) over images x (n, c, h, w) and elements g but the identity; 1 if alike.

    The class is labels (n,), or without them the model's answer to x, for x and for all its moved copies. Pairs in
    which a map is all zero are left out; NaN where that is all of them.
    """
    recipe = recipe or Recipe()
    if labels is None:
        with torch.no_grad():
            labels = model(x).argmax(-1)
    found = orbit_maps(model, x, group, labels, recipe).flatten(2)  # (order, n, pixels)
    return _mean_cosine(found[1:], found[0])


def map_similarity(
    model: nn.Module, other: nn.Module, x: Tensor, labels: Tensor | None = None, recipe: Recipe | None = None
) -> float:
    """Mean cosine of two networks' saliency maps over images x (n, c, h, w); 1 if they look at the same pixels.

    As `saliency_similarity`; without labels the class is the answer of the `other` network, for both.
    """
    recipe = recipe or Recipe()
    if labels is None:
        with torch.no_grad():
            labels = other(x).argmax(-1)
    found = [maps(integrated_gradients(network, x, labels, recipe), recipe).flatten(1) for network in (model, other)]
    return _mean_cosine(*found)


def _mean_cosine(a: Tensor, b: Tensor) -> float:
    """Of maps (..., pixels), pair by pair, without pairs in which one is all zero."""
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    return ((a * b).sum(-1) / norms)[norms > 0].mean().item()
