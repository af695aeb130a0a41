"""Bökman and Kahl 2023: VGG11s on CIFAR-10, all kinds of one loss, all seeds (Section 4.1; protocol 2.3, 2.4).

    dvc repro stages/bokman2023/dvc.yaml:vgg_train@plain
    python stages/bokman2023/vgg_train.py plain

LOSS is plain (cross-entropy: cnn, cnn_noaug, gcnn, pgcnn) or invariance (with a loss on how much the logits change
where the image is mirrored: cnn_inv, cnn_lateinv, pgcnn_lateinv). Crashed and degenerate runs are dropped, and said so.
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.errors import UserError
from learned_symmetry.fit import Fitted
from learned_symmetry.flip_vgg import KINDS, LOSSES, PAPER, Experiment


def main(cfg: Bokman2023, loss: str) -> None:
    if loss not in LOSSES:
        raise UserError(f"stages/bokman2023/vgg_train.py: {loss!r} is no loss; there are {', '.join(LOSSES)}")
    experiment, kinds = Experiment(cfg), LOSSES[loss]
    about = {"source": experiment.source, "fingerprint": stage.fingerprint(cfg), "bfloat16": cfg.vgg.training.bfloat16}
    out = record.Stage(cfg, PAPER, f"vgg_train_{loss}", **about)
    fitted = experiment.fit(experiment.runs(kinds), out.scratch, f"VGG11s, {loss}")
    rows = [kept(experiment, done) for done in fitted]
    for number, kind in enumerate(kinds):
        seeds = rows[number * cfg.vgg.training.seeds : (number + 1) * cfg.vgg.training.seeds]
        out.metric(f"trained.{kind}.accuracy", [None if row.dropped else row.metrics["accuracy"] for row in seeds])
    out.runs = rows
    out.write()


def kept(experiment: Experiment, done: Fitted) -> record.RunRecord:
    """A run with its test accuracy, dropped where it crashed or stayed near chance (protocol 2.4)."""
    kind = done.run.name.partition("/")[0]
    about = {"kind": kind, "width": experiment.training.width, "equivariant": KINDS[kind].equivariant}
    if done.dropped:
        return done.record({}, **about)
    accuracy = experiment.accuracy(done.network().to(experiment.device).requires_grad_(False))
    row = done.record({"accuracy": accuracy}, **about)
    if accuracy < experiment.training.degenerate_accuracy:
        row.dropped = f"degenerate: test accuracy {accuracy:.3f}"
    return row


if __name__ == "__main__":
    stage.run(main, PAPER, "loss")
