"""Bruintjes et al. 2023, Figure 5: 7-layer CNNs on MNIST6, on it turned, and asked by how much (Section 4.3).

dvc repro stages/bruintjes2023/dvc.yaml:train_mnist6
python stages/bruintjes2023/train_mnist6.py
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.adam import Adam
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.mnist6_networks import PAPER, STAGE, TASKS, Digits
from learned_symmetry.supervised import keep, run, train


def main(cfg: Bruintjes2023) -> None:
    digits, block = Digits(cfg), cfg.mnist6
    fingerprint = stage.fingerprint((cfg.engine, block, digits.source))
    out = record.Stage(cfg, PAPER, STAGE, source=digits.source, fingerprint=fingerprint)
    seeds, optimiser, training = range(block.seeds), block.optimiser, block.training
    runs = []
    for task in TASKS:
        data = digits.data(task, "train", training.images), digits.data(task, "test", training.validation)
        runs += [
            run(digits.name(task, seed), seed, digits.network(task, seed), *data, digits.prepare, optimiser)
            for seed in seeds
        ]
    adam = Adam((optimiser.beta1, optimiser.beta2), optimiser.eps, decoupled=optimiser.decoupled)
    options = {"scratch": out.scratch, "device": record.resolve_device(cfg.engine.device), "label": "digits"}
    fitted = train(runs, training, adam, block.drop, cfg.engine, **options)
    for number, task in enumerate(TASKS):
        keep(out, f"accuracy.{task}", fitted[number * block.seeds : (number + 1) * block.seeds])
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
