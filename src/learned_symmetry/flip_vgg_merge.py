"""The VGG11s of Bökman and Kahl 2023, merged (protocol 2.5): `flip_vgg` and what is done with its trained networks.

What is merged are plain networks, with the kernels of flip-equivariant layers written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor, nn

from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.flip_vgg import Experiment
from learned_symmetry.merge.average import averaged
from learned_symmetry.merge.matching import matched, moments
from learned_symmetry.merge.permute import assert_same, permuted
from learned_symmetry.merge.repair import Statistics, goals, repaired, statistics
from learned_symmetry.models.vgg import VGG11
from learned_symmetry.rng import generator

CHECKED = 8  # images on which relabelling is seen to change nothing
IN_CACHE = 50  # images of a batch whose activations stay in a CPU's cache while they are matched

Item, Result = TypeVar("Item"), TypeVar("Result")


@dataclass(frozen=True)
class Aligned:
    """A network, and another with its channels brought in the first's order.

    Attributes:
        order: by layer, the other's channel that each channel was matched with.
        live: by layer, which of the first's channels are ever active.
        ends: statistics of both networks' convolutions.
    """

    first: nn.Module
    twin: nn.Module
    order: dict[str, Tensor]
    live: dict[str, Tensor]
    ends: tuple[dict[str, Statistics], dict[str, Statistics]]


class Merging(Experiment):
    """Merges trained networks, with images that are the same for all."""

    def __init__(self, cfg: Bokman2023) -> None:
        super().__init__(cfg)
        self.merging = cfg.vgg.merging

    @cached_property
    def calibration(self) -> Tensor:
        """Training images, augmented once: the same for every matching, REPAIR and kind (protocol 4, points 6, 11)."""
        x, y = self.images("train", self.merging.calibration_images)
        x, _ = self.augmentation(flips=True)(x, y, generator(0, "calibration"))
        return self.standardise(x.to(self.device))

    @cached_property
    def unaugmented(self) -> Tensor:
        """Training images for the invariance error, as they are (protocol 4, point 7)."""
        return self.standardise(self.images("train", self.merging.invariance_images)[0].to(self.device))

    def align(self, first: VGG11, second: VGG11) -> Aligned:
        """Match the channels of `second` with those of `first`, layer by layer (protocol 2.5)."""
        size = IN_CACHE if self.device.type == "cpu" else self.merging.batch
        found = moments(first, second, self.calibration.split(size), first.channels())
        order = matched(found, self.merging.corr_eps)
        twin = permuted(second, second.channels(), order)
        assert_same(second, twin, self.calibration[:CHECKED])
        live = {layer: (moment.variances()[0] > 0).cpu() for layer, moment in found.items()}
        batches = self.calibration.split(self.merging.batch)
        ends = [statistics(end, batches, VGG11.convolutions()) for end in (first, twin)]
        return Aligned(first, twin, order, live, (ends[0], ends[1]))

    def between(self, pair: Aligned, alpha: float, *, repair: bool) -> nn.Module:
        """The network at `alpha` on the straight line from the first to its aligned twin."""
        made = averaged(pair.first, pair.twin, alpha)
        if not repair:
            return made
        batches = self.calibration.split(self.merging.batch)
        return repaired(made, goals(*pair.ends, alpha), batches, self.merging.repair_eps)

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """``function(item)`` of all items, in order; on a CPU as many at a time as it has cores, of one thread each.

        Small networks do not keep two threads busy, and with one the numbers do not depend on the cores.
        """
        cores = torch.get_num_threads()
        workers = cores if self.device.type == "cpu" else 1

        def alone(item: Item) -> Result:
            torch.set_num_threads(cores // workers)
            with torch.no_grad():
                return function(item)

        # Made here, once, and not by several threads at a time
        _ = self.test, self.calibration, self.unaugmented
        try:
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(alone, items))
        finally:
            torch.set_num_threads(cores)
