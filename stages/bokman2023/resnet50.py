"""Bökman and Kahl 2023, Tables 3 and 5 and Figure 9: ResNet-50s on ImageNet merged with their own mirror images.

    dvc repro stages/bokman2023/dvc.yaml:resnet50
    python stages/bokman2023/resnet50.py

Rows need ImageNet (data.imagenet of params.yaml) and weights (data/imagenet_resnet50.yaml says which, and from where);
those that lack either are not run, and their provenance says what to supply. Claim R16, on the geometry of 224 and 225
pixels, needs neither. Started again after a kill, the stage measures the rows that it has not measured yet.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from learned_symmetry import models, public_resnet50, published, record, stage
from learned_symmetry.checkpoint import resumed_row
from learned_symmetry.config.bokman2023 import Bokman2023, ImageNet
from learned_symmetry.data import imagenet
from learned_symmetry.data.imagenet import Listing, Pictures, Preprocessing
from learned_symmetry.errors import UserError
from learned_symmetry.flip_merge import COLUMNS, Merge, geometry, row, stem
from learned_symmetry.models.bottleneck import STEM, BottleneckResNet
from learned_symmetry.published import Absent, Unfit
from learned_symmetry.results import write_json
from learned_symmetry.rng import generator

PAPER = "bokman2023"
NOTEBOOK = "tv_new_232"  # of the authors' notebook: the weights of tv_new, images resized as those were trained


def main(cfg: Bokman2023) -> None:
    images = Images(cfg)
    source = "random images, generated" if images.absent else "official"
    out = record.Stage(cfg, PAPER, "resnet50", source=source, fingerprint=stage.fingerprint(cfg))
    for size in (224, 225):
        out.metric(f"geometry.resnet50.rel_diff_{size}", [difference(size, cfg.resnet.imagenet)])
    registry = public_resnet50.rows()
    for name in [*registry, NOTEBOOK]:
        kept = out.scratch / f"{name}.json"
        entry = registry["tv_new" if name == NOTEBOOK else name]
        told = resumed_row(kept) or measured(cfg, name, entry, images)
        if isinstance(told, Absent):
            out.not_run[name], told = told.reason, {"columns": {}}
        else:
            write_json(kept, told)
            params = {"row": entry["title"], "size": entry["size"], "weights": told["weights"]}
            out.runs.append(record.RunRecord(name, 0, params, told["columns"]))
            out.notes[name] = told["stem"]
        tables = ["notebook"] if name == NOTEBOOK else ["table5"] if name.endswith("_225") else ["table3", "table5"]
        for table in tables:
            for column in COLUMNS:
                out.metric(f"{table}.{name}.{column}", [told["columns"].get(column)])
    out.write()


def difference(size: int, settings: ImageNet) -> float:
    """`geometry` of an untrained ResNet-50 in float64, on noise."""
    build = partial(BottleneckResNet, settings.blocks, settings.width, imagenet.CLASSES, STEM)
    network = models.seeded(build, generator(0, "geometry")).double().eval()
    noise = torch.randn(
        settings.geometry_images, 3, size, size, generator=generator(0, "geometry", "images"), dtype=torch.float64
    )
    return geometry(network, noise)


class Images:
    """ImageNet: training images to match and calibrate with, validation images to be right about.

    Attributes:
        absent: why there are none, or None.
    """

    def __init__(self, cfg: Bokman2023) -> None:
        self.settings, self.device = cfg.resnet.imagenet, record.resolve_device(cfg.engine.device)
        self.absent: Absent | None = None
        found: dict[str, Listing | None] = {}
        for split in ("val", "train"):
            try:
                found[split] = imagenet.find(split, cfg)
            except UserError as error:  # a folder that has one split only
                self.absent = Absent(str(error))
                return
            if found[split] is None or found[split].kind != "official":
                what = {"val": "validation", "train": "training"}[split]
                self.absent = Absent(f"without ImageNet's {what} images: {imagenet.how_to_supply(split)}")
                return
        self.val, train = found["val"], found["train"]
        chosen = torch.randperm(len(train), generator=generator(0, "calibration"))
        self.train = train.take(chosen[: self.settings.calibration_images])
        self.calibration = lru_cache(maxsize=1)(self._calibration)

    def _calibration(self, seen: Preprocessing) -> list[Tensor]:
        """Batches on the device."""
        return [x.to(self.device) for x, _ in self._loader(self.train, seen)]

    @torch.no_grad()
    def accuracies(self, networks: dict[str, nn.Module], seen: Preprocessing) -> dict[str, float]:
        """Each network's share of right answers on the validation images, which are read once."""
        right = dict.fromkeys(networks, 0)
        for x, y in self._loader(self.val, seen):
            x, y = x.to(self.device), y.to(self.device)
            for name, network in networks.items():
                right[name] += (network(x).argmax(-1) == y).sum().item()
        return {name: count / len(self.val) for name, count in right.items()}

    def _loader(self, listing: Listing, seen: Preprocessing) -> DataLoader:
        pictures = Pictures(listing, seen.evaluation())
        workers = min(self.settings.workers, os.cpu_count() or 1)
        return DataLoader(pictures, self.settings.calibration_batch, num_workers=workers)


def measured(cfg: Bokman2023, name: str, entry: dict[str, Any], images: Images) -> dict[str, Any] | Absent:
    """The columns of a row, `stem`, and the sha256 of its weights' files; or what is missing or wrong."""
    if images.absent:
        return images.absent
    try:
        files = public_resnet50.found(entry, cfg)
        if isinstance(files, Absent):
            return files
        network = public_resnet50.network([file.path for file in files]).to(images.device)
    except Unfit as error:
        return Absent(str(error))
    published.remember(files)
    settings = cfg.resnet.imagenet
    seen = Preprocessing(settings.notebook_resize if name == NOTEBOOK else settings.resize, entry["size"])
    how = Merge(**cfg.resnet.merge.model_dump())
    columns, orders = row(network, images.calibration(seen), lambda made: images.accuracies(made, seen), how)
    weights = {file.path.name: file.sha256 for file in files}
    return {"columns": columns, "stem": stem(network, orders), "weights": weights}


if __name__ == "__main__":
    stage.run(main, PAPER)
