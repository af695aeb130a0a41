"""Huang et al. 2024, Table 1: classifiers of one kind on a group's tasks, symmetry and symmetry breaking.

dvc repro stages/huang2024/dvc.yaml:translated@cloned
python stages/huang2024/classify.py t2 cloned

KIND is mlp, convolution (the CNN or GCNN), cloned (frozen clones of 9, 8 and 7 blocks) or unfreeze (clones of 9 blocks
that train too).
"""

from __future__ import annotations

from functools import partial

from learned_symmetry import record, stage
from learned_symmetry.cloning.classify import Classify
from learned_symmetry.cloning.training import CLONED, PAPER
from learned_symmetry.config.huang2024 import Group, Huang2024
from learned_symmetry.errors import UserError
from learned_symmetry.fit import Run
from learned_symmetry.symmetry_cloning import Experiment

ROWS = {"t2": {"convolution": "cnn", "cloned": "mlp2cnn"}, "c4": {"convolution": "gcnn", "cloned": "mlp2gcnn"}}


def main(cfg: Huang2024, group: Group, kind: str) -> None:
    experiment = Experiment(cfg, group)
    out = record.Stage(cfg, PAPER, f"{group}_{kind}", source=experiment.source, fingerprint=stage.fingerprint(cfg))
    for task in ("symmetry", "breaking"):
        training = getattr(cfg.tasks, task).get(kind)
        if training is None and kind == "cloned":  # frozen clones are invariant: not run where the label is not (D15)
            continue
        rows = runs(experiment, task, kind)
        fitted = experiment.fit([run for row in rows.values() for run in row], training, out.scratch, f"{kind}, {task}")
        for number, row in enumerate(rows):
            experiment.keep(out, row, task, fitted[number * cfg.seeds : (number + 1) * cfg.seeds])
    out.write()


def runs(experiment: Experiment, task: str, kind: str) -> dict[str, list[Run]]:
    """Rows of Table 1 and their runs, one a seed. Raises `UserError` for a kind that is none."""
    cfg, moved, names = experiment.cfg, experiment.task(task), ROWS[experiment.group]
    plain = Classify(moved)
    penalised = Classify(moved, cfg.unfreeze.beta[task], True, cfg.unfreeze.dim, cfg.unfreeze.reduction)
    kinds = {
        "mlp": {"mlp": (plain, lambda seed: experiment.mlp(task, seed))},
        "convolution": {names["convolution"]: (plain, lambda seed: experiment.convolution(task, seed))},
        "cloned": {
            f"{names['cloned']}{blocks}": (plain, partial(experiment.cloned, task, blocks=blocks, frozen=True))
            for blocks in CLONED
        },
        "unfreeze": {
            f"{names['cloned']}_unfreeze": (penalised, partial(experiment.cloned, task, blocks=9, frozen=False))
        },
    }
    if kind not in kinds:
        raise UserError(f"{kind!r} is no kind of classifier; known are {', '.join(kinds)}")
    training = getattr(cfg.tasks, task)[kind]
    return {
        row: [experiment.run(f"{task}/{row}/seed{s}", make(s), objective, s, training) for s in range(cfg.seeds)]
        for row, (objective, make) in kinds[kind].items()
    }


if __name__ == "__main__":
    stage.run(main, PAPER, "group", "kind")
