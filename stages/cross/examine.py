"""Cross-examination: the measures of each paper on the trained networks of the others, under quarter turns.

dvc repro stages/cross/dvc.yaml:examine
python stages/cross/examine.py
"""

from __future__ import annotations

from learned_symmetry import cross, record, stage
from learned_symmetry.config.cross import Cross
from learned_symmetry.data import mnist

PAPER = "cross"


def main(cfg: Cross) -> None:
    out = record.Stage(cfg, PAPER, "examine", source=f"MNIST, {mnist.source(cfg).kind}")
    for name, gather in cross.SUBJECTS.items():
        subject = gather(cfg)
        found = [{} if network is None else cross.examined(network, subject, cfg) for network in subject.networks]
        for column in next(filter(None, found), {}):
            out.metric(f"c4.{name}.{column}", [scores.get(column) for scores in found])
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
