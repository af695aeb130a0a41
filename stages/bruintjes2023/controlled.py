"""Bruintjes et al. 2023, Figure 3: does the measure find two hand-crafted networks to be what they are?

    dvc repro stages/bruintjes2023/dvc.yaml:controlled
    python stages/bruintjes2023/controlled.py

Isotropic filters make every layer invariant to quarter turns; a filter in four turns makes it equivariant and not
invariant. A seed draws the images; nothing is trained.
"""

from __future__ import annotations

import torch

from learned_symmetry import record, stage
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.equivariance import Similarity, equivariance
from learned_symmetry.models.controlled import Controlled, equivariant_filters, invariant_filters
from learned_symmetry.rng import generator

PAPER = "bruintjes2023"
SOURCE = "random images, generated"
BATCH = 32  # images at once; changes nothing but rounding


def main(cfg: Bruintjes2023) -> None:
    out = record.Stage(cfg, PAPER, "controlled", source=SOURCE)
    device, settings = record.resolve_device(cfg.engine.device), cfg.controlled
    filters = {
        "inv_net": invariant_filters(settings.kernel, settings.sigmas),
        "eqv_net": equivariant_filters(settings.kernel, settings.sigma, settings.cut),
    }
    for name, bank in filters.items():
        network = Controlled(bank.float(), settings.layers).to(device)
        layers = dict.fromkeys((f"layers.{k}" for k in range(settings.layers)), 1)
        means: dict[str, list[list[float]]] = {"inv": [], "eqv": []}  # by seed and layer
        for seed in range(cfg.seeds):
            images = torch.rand(settings.images, 1, settings.size, settings.size, generator=generator(seed, "images"))
            batches = images.to(device).split(BATCH)
            scores = equivariance(network, batches, QuarterTurns(), layers, Similarity(cfg.measure.constant))
            told = {}
            for number, layer in enumerate(scores.values(), start=1):
                rows = {"inv": layer.inv, **{f"eqv_{match}": eqv for match, eqv in layer.eqv.items()}}
                rows["undefined"] = layer.undefined
                told |= {
                    f"layer{number}.rot{90 * g}.{k}": row[g - 1].item() for k, row in rows.items() for g in (1, 2, 3)
                }
            out.runs.append(record.RunRecord(f"{name}/seed{seed}", seed, {"network": name}, told))
            means["inv"].append([layer.inv.mean().item() for layer in scores.values()])
            means["eqv"].append([layer.eqv[cfg.measure.match].mean().item() for layer in scores.values()])
        for kind, by_seed in means.items():
            for number, values in enumerate(zip(*by_seed, strict=True), start=1):
                out.metric(f"ctrl.{name}.{kind}.layer{number}", values)
            out.metric(f"ctrl.{name}.{kind}_min", [min(layers) for layers in by_seed])
    out.notes = {name: bank.tolist() for name, bank in filters.items()}
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
