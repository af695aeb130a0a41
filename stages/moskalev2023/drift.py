"""Moskalev et al. 2023, Figure 4: DI and accuracy while the data drift from MNIST to Fashion-MNIST (Section 4.3).

    dvc repro stages/moskalev2023/dvc.yaml:drift
    python stages/moskalev2023/drift.py

Each MNIST image is blended with a Fashion-MNIST image of the class with the same number, and keeps its label.
"""

from __future__ import annotations

import statistics

from torch import nn

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.data.transforming import Part, blended, partners
from learned_symmetry.genuine_invariance import GROUPS, PAPER, Experiment
from learned_symmetry.measure.accuracy_ratio import accuracy_ratios
from learned_symmetry.measure.distribution_invariance import distribution_invariance

SLIGHT = 0.2  # the beta of claim M11
ROWS = {"WT": "WT", "DA": "DA", "IR": "IR_LI"}


def main(cfg: Moskalev2023) -> None:
    experiment, limit = Experiment(cfg), cfg.evaluation.drift_images
    out = record.Stage(cfg, PAPER, "drift", source=experiment.both_sources)
    near, far = experiment.images("mnist", limit).test, experiment.images("fashion-mnist", None).test
    far = Part(far.x[partners(near.y, far.y, cfg.drift.pairing_seed)], near.y)
    for group in GROUPS:
        for row, kind in ROWS.items():
            networks = [experiment.trained(kind, group, seed) for seed in range(cfg.seeds)]
            curves = [None if n is None else curve(experiment, n, group, near, far) for n in networks]
            for name in curves[0] if curves[0] else ():
                out.metric(f"drift.{group}.{row}.{name}", [None if c is None else c.get(name) for c in curves])
    out.write()


def curve(experiment: Experiment, network: nn.Module, group: str, near: Part, far: Part) -> dict[str, float]:
    """DI and accuracy ratio of one network at each beta ("di_b0.2" as "di_b020"), and what the claims read."""
    betas = experiment.cfg.drift.betas
    start, end = (experiment.transformed(part, group).x for part in (near, far))
    di = {beta: distribution_invariance(network, blended(start, end, beta), GROUPS[group]) for beta in betas}
    blends = (blended(near.x, far.x, beta) for beta in betas)
    ratio = dict(zip(betas, accuracy_ratios(network, near.x, blends, GROUPS[group], near.y), strict=True))
    points = {f"{name}_b{100 * beta:03.0f}": c[beta] for name, c in (("di", di), ("ratio", ratio)) for beta in betas}
    inside = [value for beta, value in ratio.items() if 0 < beta < 1]
    summary = {"di0": di[0.0], "di02": di[SLIGHT], "di_max": max(di.values()), "ratio_mean": statistics.fmean(inside)}
    return points | summary


if __name__ == "__main__":
    stage.run(main, PAPER)
