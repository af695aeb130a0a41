"""The data of stacked runs, in memory once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Pool:
    """One named tensor of every run, (runs, n, ...), where runs that share a tensor share its memory."""

    def __init__(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        distinct: dict[int, int] = {}
        for tensor in tensors:
            distinct.setdefault(id(tensor), len(distinct))
        self.which = torch.tensor([distinct[id(tensor)] for tensor in tensors], device=device)
        firsts = {id(tensor): tensor for tensor in tensors}
        self.data = torch.stack([firsts[key] for key in distinct]).to(device)

    def rows(self, runs: Tensor, index: Tensor) -> Tensor:
        """Rows index (r, b) of the runs numbered `runs` (r,): (r, b, ...)."""
        return self.data[self.which[runs].unsqueeze(1), index]

    def whole(self, runs: Tensor) -> Tensor:
        return self.data[self.which[runs]]
