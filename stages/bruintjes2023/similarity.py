"""Bruintjes et al. 2023, Figure 2: the cosine follows the maps' mean, Pearson's correlation does not (Section 3.3).

    dvc repro stages/bruintjes2023/dvc.yaml:similarity
    python stages/bruintjes2023/similarity.py

Figure 2a needs random maps alone; Figure 2b the ResNet-44 that is trained without augmentation: after each residual
block its mean activation beside its invariance to a turn by 90 degrees.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from learned_symmetry import models, record, stage
from learned_symmetry.cifar10_networks import Photographs
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import cifar10
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.learned_equivariance import BATCH, PAPER, picked, similarity, trained
from learned_symmetry.measure.equivariance import equivariance
from learned_symmetry.rng import generator

KIND = "none"
MEASURES = {"pearson": True, "cosine": False}  # whether maps are centred
SHOWN = 2  # pairs of maps of the first seed that the figure shows


def main(cfg: Bruintjes2023) -> None:
    photographs = Photographs(cfg)
    out = record.Stage(cfg, PAPER, "similarity", source=photographs.source)
    random_maps(cfg, out)
    device = record.resolve_device(cfg.engine.device)
    images = photographs.prepare(picked(cifar10.load("test", cfg)[0], cfg)).to(device)
    rows = []
    for seed in range(cfg.cifar10.seeds):
        name = photographs.name(KIND, seed)
        network = trained(cfg, photographs.stage(KIND), name, photographs.network(KIND, seed))
        rows.append(None if network is None else over_blocks(cfg, network.to(device), images))
    for block in range(3 * cfg.cifar10.resnet.n):
        for name in ("activation", *MEASURES):
            out.metric(f"fig2b.{name}.block{block + 1}", [row and row[name][block] for row in rows])
    for name in MEASURES:
        told = [row and float(np.corrcoef(row["activation"], row[name])[0, 1]) for row in rows]
        out.metric(f"fig2b.r_{name}", told)
    out.write()


def random_maps(cfg: Bruintjes2023, out: record.Stage) -> None:
    """How similar pairs of maps are before and after an offset is added to the second of each."""
    block, changes, shown = cfg.maps, {name: [] for name in MEASURES}, {}
    for seed in range(cfg.seeds):
        a, b = torch.rand(2, 1, block.pairs, block.size, block.size, generator=generator(seed, "maps")).double()
        for name, centred in MEASURES.items():
            before, after = (_similar(cfg, a, other, centred) for other in (b, b + block.offset))
            changes[name].append((after - before).abs().mean().item())
            if seed == 0:
                shown[name] = [[before[k].item(), after[k].item()] for k in range(SHOWN)]
        if seed == 0:
            shown["maps"] = torch.stack([a[0, :SHOWN], b[0, :SHOWN], b[0, :SHOWN] + block.offset]).tolist()
    for name, values in changes.items():
        out.metric(f"fig2a.d_{name}", values)
    out.notes = shown


def _similar(cfg: Bruintjes2023, a: Tensor, b: Tensor, centred: bool) -> Tensor:
    """Of maps (1, pairs, h, w), pair by pair: (pairs,)."""
    a, b = (similarity(cfg.measure, centred=centred).standardised(maps)[0] for maps in (a, b))
    return (a * b).sum((0, 2, 3))


def over_blocks(cfg: Bruintjes2023, network: nn.Module, images: Tensor) -> dict[str, list[float]]:
    """Of each residual block: mean activation, and invariance to a turn by 90 degrees by each measure."""
    blocks = {name: stride for name, stride in network.strides.items() if name.startswith("blocks.")}
    sums = dict.fromkeys(blocks, 0.0)

    def take(name: str, activation: Tensor) -> None:
        if name in sums:
            sums[name] += activation.double().flatten(1).mean(1).sum().item()

    with torch.no_grad():
        for batch in images.split(BATCH):
            models.watch(network, batch, blocks, take)
    told = {"activation": [total / len(images) for total in sums.values()]}
    for name, centred in MEASURES.items():
        compared = similarity(cfg.measure, centred=centred)
        scores = equivariance(network, images.split(BATCH), QuarterTurns(), blocks, compared, elements=(1,))
        told[name] = [score.inv.item() for score in scores.values()]
    return told


if __name__ == "__main__":
    stage.run(main, PAPER)
