"""Cross-examination: the measures of each paper on networks of the others for MNIST, under quarter turns.

dvc repro stages/cross/dvc.yaml:turns
python stages/cross/turns.py
"""

from __future__ import annotations

from learned_symmetry import cross, record, stage
from learned_symmetry.config.cross import Cross
from learned_symmetry.cross_digits import TURNED
from learned_symmetry.data import mnist
from learned_symmetry.groups import QuarterTurns

PAPER = "cross"


def main(cfg: Cross) -> None:
    out = record.Stage(cfg, PAPER, "turns", source=f"MNIST, {mnist.source(cfg).kind}")
    cross.record_all(out, "c4", TURNED, lambda _: QuarterTurns(), cfg.digits, cfg)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
