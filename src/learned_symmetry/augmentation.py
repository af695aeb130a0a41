"""Training on images moved by a group, and with a penalty on how far the network is from invariant (moskalev2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.groups import Group
from learned_symmetry.measure.divergence import divergence
from learned_symmetry.measure.logit_invariance import half_square
from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, Objective


def relative_square(a: Tensor, b: Tensor) -> Tensor:
    """|a - b|^2 / |a|^2 of logits (n, k): (n,). The gradient takes the denominator too (protocol 2.4)."""
    return (a - b).square().sum(-1) / a.square().sum(-1)


ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # form of the regulariser -> error of f(x) and f(gx)
    "LI": half_square,
    "DI": divergence,
    "NLI": relative_square,
}


@dataclass(frozen=True)
class Augmented(Objective):
    """Cross-entropy of images each moved by an element that is drawn uniformly, afresh in every step.

    The batch has the constant "sources", `Group.sources` of its images. Validation counts the whole orbit.
    """

    group: Group

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"g": torch.randint(self.group.order, (size,), generator=generator)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        task = F.cross_entropy(network(_moved(batch["x"], batch, "g")), batch["y"])
        return {"task": task, "total": task}

    def score(self, network: Network, batch: Batch) -> Tensor:
        moved = [network(self.group.act(batch["x"], g)) for g in range(self.group.order)]
        return (torch.stack(moved).argmax(-1) == batch["y"]).float().mean()


@dataclass(frozen=True)
class Regularised(Augmented):
    """Cross-entropy + `weight` * error between f(x) and f(gx), for a g beside the identity.

    sampling: "one" draws one g an image and step, an unbiased estimate of "all", the mean over them.
    """

    weight: float
    error: str  # a name in ERRORS
    sampling: Literal["one", "all"]

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        other = torch.randint(1, self.group.order, (size,), generator=generator)
        return super().draw(generator, size) | {"other": other}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x = _moved(batch["x"], batch, "g")
        if self.sampling == "one":
            moved = [_moved(x, batch, "other")]
        else:
            moved = [self.group.act(x, g) for g in range(1, self.group.order)]
        logits, *others = network(torch.cat([x, *moved])).chunk(1 + len(moved))
        task = F.cross_entropy(logits, batch["y"])
        error = torch.stack([ERRORS[self.error](logits, other) for other in others]).mean()
        return {"task": task, "invariance": error, "total": task + self.weight * error}


def _moved(x: Tensor, batch: Batch, drawn: str) -> Tensor:
    """Each image of x (b, 1, h, w) moved by its own element of batch[drawn] (b,)."""
    return x.flatten(1).gather(1, batch["sources"][batch[drawn]]).view_as(x)
