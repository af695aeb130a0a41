"""Bruintjes et al. 2023, Figures 2b, 6a and 6b: ResNet-44 or WRN-40-s on CIFAR-10 (Sections 4.4 and 4.5).

    dvc repro stages/bruintjes2023/dvc.yaml:train_cifar10@crops
    python stages/bruintjes2023/train_cifar10.py crops

KIND is an augmentation of ResNet-44 (none, crops, flips, cutmix, randaugment) or a width of WRN-40 (s1, s2, s4, s8).
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.cifar10_networks import KINDS, PAPER, Photographs
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import cifar10
from learned_symmetry.errors import UserError
from learned_symmetry.sgd import SGD
from learned_symmetry.supervised import keep, run, train


def main(cfg: Bruintjes2023, kind: str) -> None:
    if kind not in KINDS:
        raise UserError(f"stages/bruintjes2023/train_cifar10.py: {kind!r} is no kind; there are {', '.join(KINDS)}")
    photographs, block = Photographs(cfg), cfg.cifar10
    fingerprint = stage.fingerprint((cfg.engine, block, photographs.source))
    name = photographs.stage(kind)
    about = {"source": photographs.source, "fingerprint": fingerprint, "bfloat16": block.bfloat16}
    out = record.Stage(cfg, PAPER, name, **about)
    training, augment = block.training, photographs.augmentation(kind)
    data = cifar10.load("train", cfg, training.images), cifar10.load("test", cfg, training.validation)
    runs = [
        run(
            photographs.name(kind, seed),
            seed,
            photographs.network(kind, seed),
            *data,
            photographs.prepare,
            block.optimiser,
            augment,
        )
        for seed in range(block.seeds)
    ]
    fitted = train(
        runs,
        training,
        SGD(momentum=block.optimiser.momentum),
        block.drop,
        cfg.engine,
        bfloat16=block.bfloat16,
        channels_last=block.channels_last,
        scratch=out.scratch,
        device=record.resolve_device(cfg.engine.device),
        label=f"{kind} networks",
    )
    keep(out, f"accuracy.{kind}", fitted)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "kind")
