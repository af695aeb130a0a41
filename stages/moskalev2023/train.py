"""Moskalev et al. 2023: networks of one kind for both groups, all seeds (Section 4.1; protocol 2.4).

    dvc repro stages/moskalev2023/dvc.yaml:train@DA
    python stages/moskalev2023/train.py DA

KIND is WT (first layer tied over the group), DA (augmentation alone) or IR (all forms of the regulariser, with the
weights that stage `tune` picked).
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.errors import UserError
from learned_symmetry.genuine_invariance import GROUPS, KINDS, PAPER, Experiment


def main(cfg: Moskalev2023, kind: str) -> None:
    if kind not in KINDS:
        raise UserError(f"stages/moskalev2023/train.py: {kind!r} is no kind; there are {', '.join(KINDS)}")
    experiment, schedule = Experiment(cfg), cfg.schedules[kind]
    fingerprint = stage.fingerprint((cfg, weights := chosen(cfg) if kind == "IR" else {}))
    out = record.Stage(cfg, PAPER, f"train_{kind}", source=experiment.source, fingerprint=fingerprint)
    grid = [(group, each) for group in GROUPS for each in KINDS[kind]]
    runs = [
        experiment.run(each, group, seed, schedule.lr, weights.get((group, each), 0.0))
        for group, each in grid
        for seed in range(cfg.seeds)
    ]
    fitted = experiment.fit(runs, schedule, out.scratch, f"{kind} networks")
    for number, (group, each) in enumerate(grid):
        done = fitted[number * cfg.seeds : (number + 1) * cfg.seeds]
        out.metric(f"validation.{group}.{each}", [None if d.dropped else 100 * d.progress.best for d in done])
        out.runs += [d.record({}, group=group, kind=each) for d in done]
    out.write()


def chosen(cfg: Moskalev2023) -> dict[tuple[str, str], float]:
    """The weights that stage `tune` picked, by group and kind."""
    notes = record.read_result(cfg.scale, PAPER, "tune")["notes"]
    return {(group, f"IR_{form}"): told["weight"] for group, forms in notes.items() for form, told in forms.items()}


if __name__ == "__main__":
    stage.run(main, PAPER, "kind")
