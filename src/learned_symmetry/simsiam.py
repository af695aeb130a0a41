"""SimSiam, training without labels (Chen and He 2021): one of the self-supervised methods of Bökman and Kahl 2023.

Two random views of an image go through one network; what a small predictor makes of either is to point the way of the
other, which no gradient reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network
from learned_symmetry.objective import Batch, Objective


class SimSiam(nn.Module):
    """A backbone with a projector of three layers and a predictor of two: (b, ...) -> (p, z), both (b, out).

    `backbone` has a method ``pooled`` that gives (b, features). The backbone's own head is not trained.
    """

    def __init__(self, backbone: nn.Module, features: int, out: int, hidden: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = nn.Sequential(
            *(part for _ in range(2) for part in (nn.Linear(features, features, bias=False),
                                                  nn.BatchNorm1d(features), nn.ReLU())),
            nn.Linear(features, out, bias=False),
            nn.BatchNorm1d(out, affine=False),
        )  # fmt: skip
        self.predictor = nn.Sequential(
            nn.Linear(out, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.projector(self.backbone.pooled(x))
        return self.predictor(z), z


@dataclass(frozen=True)
class TwoViews(Objective):
    """-cos(p1, z2)/2 - cos(p2, z1)/2, a mean over images; z is held fixed (Chen and He 2021, Eq. 2).

    Training images are two views each, (b, 2, c, h, w): see `data.augment.Views`. Both go through the network in one
    batch. The views of a validation image are itself and its mirror image.
    """

    selects: ClassVar[Literal["loss"]] = "loss"
    passes: ClassVar[int] = 2

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        p, z = network(batch["x"].transpose(0, 1).flatten(0, 1))  # first all first views, then all second ones
        likeness = F.cosine_similarity(p, z.detach().roll(len(z) // 2, 0)).mean()
        return {"likeness": likeness, "total": -likeness}

    def score(self, network: Network, batch: Batch) -> Tensor:
        x = batch["x"]
        return self.losses(network, {"x": torch.stack([x, x.flip(-1)], 1)})["total"]
