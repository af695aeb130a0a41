"""What a run minimises, and how its progress is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network, features

Batch = Mapping[str, Tensor]  # "x", "y", cached teacher activations "teacher.LAYER", draws and constants, by name


@dataclass(frozen=True)
class Objective:
    """A loss as a function of one run's network and one batch; number fields may differ between stacked runs.

    Inside ``losses`` no Python branch may depend on a number field: in a stack they are tensors.
    """

    selects: ClassVar[Literal["accuracy", "loss"]] = "accuracy"  # what the validation set is scored by
    passes: ClassVar[int] = 1  # how often ``losses`` sends each example through the network, in one call of it

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """Random numbers for a batch of `size` examples; they arrive in the batch under their names."""
        return {}

    def at(self, step: int) -> Objective:
        """What the step after `step` others minimises: for losses that begin late."""
        return self

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        """Named scalars; ``"total"`` is minimised."""
        raise NotImplementedError

    def score(self, network: Network, batch: Batch) -> Tensor:
        """Of a validation batch, a mean: the share of right answers (to maximise), or the total loss (to minimise)."""
        if self.selects == "loss":
            return self.losses(network, batch)["total"]
        return (network(batch["x"]).argmax(-1) == batch["y"]).float().mean()


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Plain training."""

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        task = F.cross_entropy(network(batch["x"]), batch["y"])
        return {"task": task, "total": task}


@dataclass(frozen=True)
class Transfer(Objective):
    """(1 - gamma) CE + gamma Omega (nix2022, Section 2.1): the shape that all transfer methods share.

    What the method compares with is ``teacher.LAYER`` in the batch, or, where that would fill the memory, computed anew
    in each step by the frozen `teacher`, whose weights the batch brings as ``weights.NAME``.
    """

    gamma: float  # share of the transfer term, in [0, 1]
    layers: tuple[str, ...] = field(default=(), kw_only=True)  # whose activations are compared with the teacher's
    teacher: nn.Module | None = field(default=None, kw_only=True)
    compares: ClassVar[bool] = True  # whether it looks at the teacher's activations at all

    def digest(self, activation: Tensor) -> Tensor:
        """What of a teacher's activation (n, ...) is compared, and so kept."""
        return activation

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        """The transfer term from the student's activations and the teacher's digests by layer; a scalar."""
        raise NotImplementedError

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        student = features(network, batch["x"], self.layers)
        task = F.cross_entropy(student["logits"], batch["y"])
        match = self.omega(student, self._taught(batch))
        return {"task": task, "match": match, "total": (1 - self.gamma) * task + self.gamma * match}

    def _taught(self, batch: Batch) -> dict[str, Tensor]:
        if self.teacher is None:
            return {layer: batch[f"teacher.{layer}"] for layer in self.layers}
        with torch.no_grad():
            seen = features(frozen(self.teacher, batch), batch["x"], self.layers)
            return {layer: self.digest(seen[layer]) for layer in self.layers}


def frozen(module: nn.Module, batch: Batch) -> Network:
    """A network with the weights ``weights.NAME`` of a batch: a teacher, one for each run of a stack."""
    prefix = "weights."
    return Network(module, {name.removeprefix(prefix): w for name, w in batch.items() if name.startswith(prefix)})
