"""Bruintjes et al. 2023, Figure 5: rotation in- and equivariance of networks for the three tasks (Section 4.3).

dvc repro stages/bruintjes2023/dvc.yaml:measure_mnist6
python stages/bruintjes2023/measure_mnist6.py
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.learned_equivariance import PAPER, measure_all, picked, trained
from learned_symmetry.mnist6_networks import STAGE, TASKS, Digits


def main(cfg: Bruintjes2023) -> None:
    digits = Digits(cfg)
    out = record.Stage(cfg, PAPER, "measure_mnist6", source=digits.source)
    for task in TASKS:
        networks = (
            trained(cfg, STAGE, digits.name(task, seed), digits.network(task, seed)) for seed in range(cfg.mnist6.seeds)
        )
        shown = task if cfg.evaluation.turned == "own" else "mnist6"
        images = digits.prepare(picked(digits.data(shown, "test", None)[0], cfg))
        measure_all(out, f"fig5.{task}", networks, images, QuarterTurns(), (1, 2, 3), cfg)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
