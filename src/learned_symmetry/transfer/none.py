"""No transfer: the plain student, the baseline of every comparison."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, Transfer


@dataclass(frozen=True)
class NoTransfer(Transfer):
    """Cross-entropy alone; gamma is 0 in every setting of it, and the teacher is not looked at."""

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        task = F.cross_entropy(network(batch["x"]), batch["y"])
        return {"task": task, "match": task * 0, "total": (1 - self.gamma) * task}
