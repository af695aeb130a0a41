"""Bruintjes et al. 2023, Figures 6a and 6b: translation in- and equivariance by augmentation and by width.

    dvc repro stages/bruintjes2023/dvc.yaml:measure_augmentations
    python stages/bruintjes2023/measure_cifar10.py augmentations

WHAT is augmentations (of ResNet-44, Section 4.4) or widths (of WRN-40, Section 4.5). Beside the scores the parts'
differences from the network without augmentation, and each width's mean over Early, Middle and Late, are recorded seed
by seed, so that their spread is known.
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.cifar10_networks import AUGMENTATIONS, WIDTHS, Photographs
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import cifar10
from learned_symmetry.errors import UserError
from learned_symmetry.learned_equivariance import PAPER, diagonal_shifts, measure_all, picked, trained
from learned_symmetry.measure.equivariance import PARTS

FIGURES = {"augmentations": ("fig6a", AUGMENTATIONS), "widths": ("fig6b", tuple(WIDTHS))}


def main(cfg: Bruintjes2023, what: str) -> None:
    if what not in FIGURES:
        known = " and ".join(FIGURES)
        raise UserError(f"stages/bruintjes2023/measure_cifar10.py: {what!r} cannot be measured; {known} can")
    figure, kinds = FIGURES[what]
    photographs, shifts, seeds = Photographs(cfg), cfg.evaluation.shifts, range(cfg.cifar10.seeds)
    out = record.Stage(cfg, PAPER, f"measure_{what}", source=photographs.source)
    moves = diagonal_shifts(max(shifts), cfg.measure.translation, photographs.prepare)
    images, found = photographs.prepare(picked(cifar10.load("test", cfg)[0], cfg)), {}
    for kind in kinds:
        networks = (
            trained(cfg, photographs.stage(kind), photographs.name(kind, seed), photographs.network(kind, seed))
            for seed in seeds
        )
        found[kind] = measure_all(out, f"{figure}.{kind}", networks, images, moves, shifts, cfg)
        if what == "augmentations" and kind != "none":
            pairs = list(zip(found[kind], found["none"], strict=True))
            for part in PARTS:
                gains = [told[part]["eqv"] - plain[part]["eqv"] if told and plain else None for told, plain in pairs]
                out.metric(f"{figure}.{kind}.gain.{part}", gains)
        for score in ("inv", "eqv") if what == "widths" else ():
            means = [told and sum(told[part][score] for part in PARTS[:3]) / 3 for told in found[kind]]
            out.metric(f"{figure}.{kind}.{score}.before_pooling", means)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "what")
