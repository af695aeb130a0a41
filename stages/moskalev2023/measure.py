"""Moskalev et al. 2023, Table 1 and Figure 5: accuracy, LI, DI, SI and sensitivity of every trained network.

dvc repro stages/moskalev2023/dvc.yaml:measure
python stages/moskalev2023/measure.py
"""

from __future__ import annotations

from torch import nn

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.genuine_invariance import GROUPS, KINDS, PAPER, Experiment
from learned_symmetry.measure.accuracy_ratio import orbit_accuracy
from learned_symmetry.measure.distribution_invariance import distribution_invariance
from learned_symmetry.measure.jacobian import jacobian_norm
from learned_symmetry.measure.logit_invariance import logit_invariance

TABLE = {"WT": "WT", "DA": "DA", "IR_LI": "IR"}  # kind -> its row in Table 1


def main(cfg: Moskalev2023) -> None:
    experiment = Experiment(cfg)
    out = record.Stage(cfg, PAPER, "measure", source=experiment.source)
    for group in GROUPS:
        for kind in (kind for kinds in KINDS.values() for kind in kinds):
            networks = [experiment.trained(kind, group, seed) for seed in range(cfg.seeds)]
            scores = [{} if network is None else measured(experiment, network, group) for network in networks]
            names = {f"jac.{group}.{kind}": "jac"}
            if kind in TABLE:
                names |= {f"{name}.{group}.{TABLE[kind]}": name for name in ("acc", "li", "di", "si")}
            if kind.startswith("IR_"):
                names |= {f"accreg.{group}.{kind}": "acc", f"sireg.{group}.{kind}": "si"}
            for metric, name in names.items():
                out.metric(metric, [score.get(name) for score in scores])
    out.write()


def measured(experiment: Experiment, network: nn.Module, group: str) -> dict[str, float]:
    """The measures of one network; accuracy in percent over whole orbits, the others on the Transforming test set."""
    sizes, action = experiment.cfg.evaluation, GROUPS[group]
    images = experiment.images("mnist", sizes.images)
    moved = experiment.transformed(images.test, group)
    return {
        "acc": 100 * orbit_accuracy(network, *images.test, action),
        "li": logit_invariance(network, moved.x, action),
        "di": distribution_invariance(network, moved.x, action),
        "si": experiment.similarity(network, moved.first(sizes.saliency_images), group, images.black),
        "jac": jacobian_norm(network, moved.x[: sizes.jacobian_images]),
    }


if __name__ == "__main__":
    stage.run(main, PAPER)
