"""Bökman and Kahl 2023, Tables 3 and 5 in small form: ResNets on CIFAR-10 merged with their own mirror images.

    dvc repro stages/bokman2023/dvc.yaml:small_merge
    python stages/bokman2023/small_merge.py

At the even size mirrored filters do not mirror the function, at the odd one they do.
"""

from __future__ import annotations

from torch import nn

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.flip_merge import COLUMNS, Merge, row, stem
from learned_symmetry.flip_resnets import KINDS, PAPER, Experiment, name
from learned_symmetry.measure.accuracy import accuracy


def main(cfg: Bokman2023) -> None:
    experiment = Experiment(cfg)
    out = record.Stage(cfg, PAPER, "small_merge", source=experiment.source)
    for kind in KINDS:
        for size in cfg.resnet.small.sizes:
            rows = measured(experiment, kind, size, out)
            for column in COLUMNS:
                values = [None if told is None else told[column] for told in rows]
                out.metric(f"table5_small.{kind}_{size}.{column}", values)
    out.write()


def measured(experiment: Experiment, kind: str, size: int, out: record.Stage) -> list[dict[str, float] | None]:
    """The columns of each seed's network, or None for one that was dropped."""
    cfg, small = experiment.cfg, experiment.small
    test = experiment.seen("test", size, small.test_images)
    batches = experiment.seen("train", size, small.calibration_images).x.split(small.calibration_batch)
    how = Merge(**cfg.resnet.merge.model_dump())

    def accuracies(networks: dict[str, nn.Module]) -> dict[str, float]:
        return {column: accuracy(network, test.x, test.y) for column, network in networks.items()}

    rows: list[dict[str, float] | None] = []
    for seed in range(cfg.resnet.small.seeds):
        network = experiment.read(kind, size, seed)
        if network is None:
            rows.append(None)
            continue
        told, orders = row(network, batches, accuracies, how)
        rows.append(told)
        out.runs.append(record.RunRecord(name(kind, size, seed), seed, {"kind": kind, "size": size}, told))
        if seed == 0:
            out.notes[f"{kind}_{size}"] = stem(network, orders)
    return rows


if __name__ == "__main__":
    stage.run(main, PAPER)
