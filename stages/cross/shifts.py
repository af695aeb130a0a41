"""Cross-examination: the measures of each paper on networks of the others for MNIST, under translations.

    dvc repro stages/cross/dvc.yaml:shifts
    python stages/cross/shifts.py

Images go down and to the right by 1 to `max_shift` pixels of their own; what becomes vacant is black.
"""

from __future__ import annotations

from learned_symmetry import cross, record, stage
from learned_symmetry.config.cross import Cross
from learned_symmetry.cross_digits import SHIFTED
from learned_symmetry.data import mnist
from learned_symmetry.groups import DiagonalShifts

PAPER = "cross"


def main(cfg: Cross) -> None:
    out = record.Stage(cfg, PAPER, "shifts", source=f"MNIST, {mnist.source(cfg).kind}")

    def moves(subject: cross.Subject) -> DiagonalShifts:
        return DiagonalShifts(cfg.max_shift, fill=subject.x.min().item())

    cross.record_all(out, "t2", SHIFTED, moves, cfg.digits, cfg)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
