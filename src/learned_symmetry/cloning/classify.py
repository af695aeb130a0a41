"""Training a classifier on moved images, and what keeps its unfrozen clones near their start (huang2024 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.data.moved import Task
from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, Objective, frozen

Dim = Literal["flat", "code"]
Reduction = Literal["sum", "mean"]


@dataclass(frozen=True)
class Classify(Objective):
    """Cross-entropy plus `beta` times the KL penalty of the tensors that the batch has as ``anchor.NAME`` (Eq. 6).

    A batch's ``weights.NAME`` are frozen clones, one for each run of a stack.
    """

    task: Task
    beta: float = 0.0
    unfrozen: bool = False
    dim: Dim = "flat"
    reduction: Reduction = "sum"

    def penalised(self, network: nn.Module) -> list[str]:
        """Names of the clones' own tensors, which start as trained; in the code's form the breaking task's are those
        whose first dimension is 9, at B = 9 without P."""
        if not self.unfrozen:
            return []
        named = {name: w for name, w in network.named_parameters() if ".clone." in name}
        few = self.dim == "code" and self.task.breaking
        return [name for name, w in named.items() if not few or w.shape[0] == 9]

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return self.task.draw(generator, size) if self.task.breaking else {}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, y = self._moved(batch)
        task = F.cross_entropy(_with_frozen(network, batch)(x), y)
        if not self.unfrozen:
            return {"task": task, "total": task}
        anchors = {name.removeprefix("anchor."): w for name, w in batch.items() if name.startswith("anchor.")}
        kl = sum(softmax_kl(network.weights[name], w, self.dim, self.reduction) for name, w in anchors.items())
        return {"task": task, "kl": kl, "total": task + self.beta * kl}

    def score(self, network: Network, batch: Batch) -> Tensor:
        x, y = self._moved(batch)
        return (_with_frozen(network, batch)(x).argmax(-1) == y).float().mean()

    def _moved(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if not self.task.breaking:
            return batch["x"], batch["y"]
        moves = {name: batch[name] for name in ("turn", "down", "right") if name in batch}
        return self.task.moved(batch["x"], batch["y"], **moves)


def softmax_kl(new: Tensor, start: Tensor, dim: Dim, reduction: Reduction) -> Tensor:
    """KL(softmax(new) || softmax(start)), summed or averaged over entries.

    The softmax is over the flattened tensor, or over the dimension that PyTorch picks where none is given (code): the
    first of three, else the second (D9). Written with d = log p - log q from the tensors' difference, in terms p (d +
    e^-d - 1) that are never negative and of second order in d, and with its gradient p (d - KL) by hand, a third of
    what autograd would do: of p (log p - log q) over a million entries in float32, rounding is larger than the sum, and
    its gradient has a constant part, which nothing holds.
    """
    axis = 0 if new.dim() == 3 else 1
    if dim == "flat":
        new, start, axis = new.flatten(), start.flatten(), 0
    with torch.no_grad():
        q, change = F.softmax(start, axis), new - start
        d = change - (q * change.expm1()).sum(axis, keepdim=True).log1p()
        p = q * d.exp()
        kl = (p * (d + (-d).expm1())).sum(axis, keepdim=True)
        slope = p * (d - kl)
    total = kl.sum() + (slope * (new - new.detach())).sum()
    return total if reduction == "sum" else total / new.numel()


def _with_frozen(network: Network, batch: Batch) -> Network:
    return Network(network.module, {**network.weights, **frozen(network.module, batch).weights})
