"""Nix et al. 2022, the search behind Figures 2 and 3: every method's settings at one shift limit (Section 2.2, D5).

    dvc repro stages/nix2022/dvc.yaml:search
    python stages/nix2022/search.py

The authors chose by *test* accuracy on seen shifts; here the winner is chosen on validation, and the table shows the
paper's choice beside it. The other stages keep the paper's choice (``params.yaml``).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from torch import Tensor

from learned_symmetry import record, stage, transfer
from learned_symmetry.config.nix2022 import Nix2022, Weights
from learned_symmetry.data import mnist1d
from learned_symmetry.fit import Fitted
from learned_symmetry.shift_orbit import learned, orbit_run, representation
from learned_symmetry.shift_transfer import PAPER, SETS, Experiment
from learned_symmetry.transfer.orbit import Orbit


@dataclass(frozen=True)
class Point:
    """One setting of one method; `values` holds what was varied."""

    method: str
    values: dict[str, float]

    @property
    def name(self) -> str:
        return "/".join([self.method, *(f"{key}={value:g}" for key, value in self.values.items())])


def points(cfg: Nix2022) -> list[Point]:
    """Every combination of every method's grid."""
    return [
        Point(method, dict(zip(grid, values, strict=True)))
        for method, grid in cfg.search.methods.items()
        for values in product(*grid.values())
    ]


def main(cfg: Nix2022) -> None:
    out = record.Stage(cfg, PAPER, "search", source=mnist1d.SOURCE, fingerprint=stage.fingerprint(cfg))
    grid = [(point, seed) for point in points(cfg) for seed in range(cfg.search.seeds)]
    for (point, _), done, scores in zip(grid, *train(cfg, grid, out.scratch), strict=True):
        params = {"method": point.method, "point": point.name, **point.values}
        out.runs.append(done.record(scores, **params))
    for run in out.runs:
        run.state = None  # a search's weights are of no further use, and there may be thousands
    for method in cfg.search.methods:
        tried = [runs_of(point, out.runs) for point in points(cfg) if point.method == method]
        winner = best([runs for runs in tried if all(run.dropped is None for run in runs)])
        for metric in ("best_accuracy", *SETS):
            column = "validation" if metric == "best_accuracy" else metric
            out.metric(f"search.{method}.{column}", [run.metrics[metric] for run in winner])
        out.notes[method] = {"points": len(tried), "winner": winner[0].params["point"] if winner else None}
    out.write()


def train(cfg: Nix2022, grid: list[tuple[Point, int]], scratch: Path) -> tuple[list[Fitted], list[dict[str, float]]]:
    """All students of the grid, after the orbit models that some of them need; with their test accuracies."""
    experiment, search = Experiment(cfg), cfg.search
    models = orbit_models(experiment, grid, scratch)
    runs, schedule = [], cfg.schedules.search
    for point, seed in grid:
        name = f"{point.name}/seed{seed}"
        if point.method == "orbit":
            objective = Orbit(point.values["gamma"], cfg.orbit.layout)
        else:
            objective = transfer.method(
                point.method, point.values, f"{PAPER}.{cfg.scale}.search.methods.{point.method}"
            )
        training = point.values["lr"], point.values["weight_decay"]
        run = experiment.student_run(name, search.head, search.shift, seed, objective, *training)
        if point.method == "orbit":
            run = replace(run, constants=representation(experiment, models[_orbit_name(cfg, point, seed)]))
        runs.append(run)
    fitted = experiment.fit(runs, schedule, scratch / "students", "search")
    return fitted, [
        {} if done.dropped else experiment.scores(done.network(), search.shift, seed)
        for done, (_, seed) in zip(fitted, grid, strict=True)
    ]


def orbit_models(experiment: Experiment, grid: list[tuple[Point, int]], scratch: Path) -> dict[str, dict[str, Tensor]]:
    """One orbit model for each combination of weights, seed, and learning rate where the schedule leaves that open.

    Those that the stage `orbit` has learned with the same settings are its own; the others are learned here.
    """
    cfg, shift = experiment.cfg, experiment.cfg.search.shift
    runs, states = {}, {}
    for point, seed in grid:
        if point.method == "orbit":
            name, lr = _orbit_name(cfg, point, seed), _orbit_lr(cfg, point)
            weights = Weights(**{key: point.values[key] for key in Weights.model_fields})
            if head := _learned_for(cfg, weights, lr, shift, seed):
                states[name] = learned(experiment, f"{head}/{experiment.teacher_name(shift, seed)}")
            else:
                runs[name] = orbit_run(experiment, name, shift, seed, weights, lr)
    if runs:
        fitted = experiment.fit(list(runs.values()), cfg.schedules.orbit, scratch / "models", "search: orbit models")
        states |= {done.run.name: done.state for done in fitted}
    return states


def _learned_for(cfg: Nix2022, weights: Weights, lr: float, shift: int, seed: int) -> str | None:
    """The head for which the stage `orbit` has learned such a model, if it has."""
    same = lr == (cfg.schedules.orbit.lr or cfg.orbit.lr) and shift in cfg.shifts and seed < cfg.seeds
    return next((head for head in cfg.heads if same and getattr(cfg.orbit, head).weights == weights), None)


def _orbit_lr(cfg: Nix2022, point: Point) -> float:
    return cfg.schedules.orbit.lr or point.values["lr"]


def _orbit_name(cfg: Nix2022, point: Point, seed: int) -> str:
    weights = [f"{key}={point.values[key]:g}" for key in Weights.model_fields]
    return "/".join([f"lr={_orbit_lr(cfg, point):g}", *weights, f"seed{seed}"])


def runs_of(point: Point, runs: list[record.RunRecord]) -> list[record.RunRecord]:
    return [run for run in runs if run.params["point"] == point.name]


def best(choices: list[list[record.RunRecord]]) -> list[record.RunRecord]:
    """The runs of the point with the highest mean validation accuracy; the first of equals."""
    return max(choices, key=lambda runs: statistics.fmean(r.metrics["best_accuracy"] for r in runs), default=[])


if __name__ == "__main__":
    stage.run(main, PAPER)
