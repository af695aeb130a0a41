"""Cross-examination: the measures of each paper on networks of the others for CIFAR-10, under mirroring.

dvc repro stages/cross/dvc.yaml:flips
python stages/cross/flips.py
"""

from __future__ import annotations

from learned_symmetry import cross, record, stage
from learned_symmetry.config.cross import Cross
from learned_symmetry.cross_photographs import MIRRORED
from learned_symmetry.data import cifar10
from learned_symmetry.groups import Flip

PAPER = "cross"


def main(cfg: Cross) -> None:
    out = record.Stage(cfg, PAPER, "flips", source=f"CIFAR-10, {cifar10.source(cfg).kind}")
    cross.record_all(out, "cifar", MIRRORED, lambda _: Flip(), cfg.photographs, cfg)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
