"""Moskalev et al. 2023: the weight of each form of the regulariser, tuned to SI >= 0.95 (Section 4.1; protocol 2.4).

    dvc repro stages/moskalev2023/dvc.yaml:tune
    python stages/moskalev2023/tune.py

The smallest weight of the grid whose network (seed 0, best validation checkpoint) has the wanted SI on validation
images and has not collapsed. Where none has, the one with the highest SI, and `reached` is false. Weights under
`regulariser.fixed` are taken as they are.
"""

from __future__ import annotations

from typing import Any

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.genuine_invariance import PAPER, Experiment

SEED = 0


def main(cfg: Moskalev2023) -> None:
    experiment, block = Experiment(cfg), cfg.tuning
    out = record.Stage(cfg, PAPER, "tune", source=experiment.source, fingerprint=stage.fingerprint(cfg))
    grid = [
        (group, form, weight)
        for group, forms in block.grid.items()
        for form, weights in forms.items()
        if form not in cfg.regulariser.fixed.get(group, {})
        for weight in weights
    ]
    runs = [
        experiment.run(f"IR_{form}", group, SEED, block.lr, weight, f"{group}/{form}/weight{weight:g}")
        for group, form, weight in grid
    ]
    images = experiment.images()
    part = images.valid.first(block.images)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (group, form, weight), done in zip(
        grid, experiment.fit(runs, block, out.scratch, "grid") if runs else [], strict=True
    ):
        similarity = None if done.dropped else experiment.similarity(done.network(), part, group, images.black)
        accuracy = None if done.dropped else done.progress.best
        row = {"weight": weight, "si": similarity, "accuracy": accuracy}
        rows.setdefault((group, form), []).append(row)
        out.metric(f"tune.{group}_{form}.si_at_{weight:g}", [similarity])
        out.metric(f"tune.{group}_{form}.accuracy_at_{weight:g}", [None if accuracy is None else 100 * accuracy])
        out.runs.append(done.record({} if done.dropped else {"si": similarity}, group=group, form=form))
    for group, forms in block.grid.items():
        told = {}
        for form in forms:
            if fixed := cfg.regulariser.fixed.get(group, {}).get(form):
                told[form] = {"weight": fixed, "reached": None, "grid": []}
            else:
                told[form] = pick(rows[group, form], cfg.regulariser.si_target, cfg.regulariser.collapsed)
        out.notes[group] = told
    out.write()


def pick(rows: list[dict[str, Any]], target: float, collapsed: float) -> dict[str, Any]:
    """The row to take, of rows in the grid's order: {"weight", "reached", "grid"}.

    A network whose accuracy is below the share `collapsed` of the best of the grid does not count, whatever its SI.
    """
    best = max((row["accuracy"] for row in rows if row["accuracy"] is not None), default=0.0)
    sound = [row for row in rows if row["si"] is not None and row["accuracy"] >= collapsed * best]
    reaching = [row for row in sound if row["si"] >= target]
    if not sound:
        return {"weight": min(row["weight"] for row in rows), "reached": False, "grid": rows}
    row = min(reaching, key=lambda row: row["weight"]) if reaching else max(sound, key=lambda row: row["si"])
    return {"weight": row["weight"], "reached": bool(reaching), "grid": rows}


if __name__ == "__main__":
    stage.run(main, PAPER)
