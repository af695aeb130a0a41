"""Bökman and Kahl 2023, Section 4.2 on CIFAR-10: small ResNets of one kind, at an even and an odd size, all seeds.

    dvc repro stages/bokman2023/dvc.yaml:small@supervised_inv
    python stages/bokman2023/small.py supervised_inv

KIND is supervised, supervised_inv (with the invariance loss) or simsiam (without labels, then a linear head).
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.errors import UserError
from learned_symmetry.flip_resnets import KINDS, PAPER, Experiment


def main(cfg: Bokman2023, kind: str) -> None:
    if kind not in KINDS:
        raise UserError(f"stages/bokman2023/small.py: {kind!r} is no kind; there are {', '.join(KINDS)}")
    experiment = Experiment(cfg)
    out = record.Stage(
        cfg, PAPER, f"small_{kind}", source=experiment.source, fingerprint=stage.fingerprint((cfg, kind))
    )
    done = experiment.trained(kind, out.scratch)
    for number, size in enumerate(cfg.resnet.small.sizes):
        these = done[number * cfg.resnet.small.seeds : (number + 1) * cfg.resnet.small.seeds]
        out.runs += [fitted.record({}, kind=kind, size=size) for fitted in these]
        losses = [None if fitted.dropped else fitted.history["loss.total"][-1][1] for fitted in these]
        out.metric(f"training.{kind}_{size}.loss", losses)
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER, "kind")
