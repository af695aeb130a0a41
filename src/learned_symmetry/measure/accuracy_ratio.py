"""Accuracy over whole orbits, and the share of it that drifted inputs leave (Moskalev et al. 2023, Section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.over_orbit import Function


@torch.no_grad()
def orbit_accuracy(model: Function, x: Tensor, y: Tensor, group: Group, chunk: int = 1000) -> float:
    """Share of the moved copies of inputs x (n, ...) by all elements that get their label y (n,), in [0, 1]."""
    right = 0
    for part, labels in zip(x.split(chunk), y.split(chunk), strict=True):
        for g in range(group.order):
            right += (model(group.act(part, g)).argmax(-1) == labels).sum().item()
    return right / len(y) / group.order


def accuracy_ratios(
    model: Function, x: Tensor, drifted: Iterable[Tensor], group: Group, y: Tensor | None = None
) -> list[float]:
    """Orbit accuracy on each set of `drifted` inputs divided by that on x (n, ...), all with labels y (n,).

    1 where none is lost. Without labels the model's own answers to x, each as it lies, are taken for them. The paper
    calls it the accuracy drop ratio. NaN where nothing was right on x.
    """
    if y is None:
        with torch.no_grad():
            y = model(x).argmax(-1)
    before = orbit_accuracy(model, x, y, group)
    return [orbit_accuracy(model, moved, y, group) / before if before else float("nan") for moved in drifted]
