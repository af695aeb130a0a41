"""Huang et al. 2024, Algorithm 1: clones of the layers that a group's classifiers are made of, and their errors.

dvc repro stages/huang2024/dvc.yaml:clone@t2
python stages/huang2024/clone.py t2
"""

from __future__ import annotations

from itertools import groupby

from learned_symmetry import record, stage
from learned_symmetry.cloning.objective import floor
from learned_symmetry.cloning.training import CLONED, PAPER, Errors, clone_runs, fit_clones, layers, untrained
from learned_symmetry.config.huang2024 import Group, Huang2024
from learned_symmetry.fit import Fitted


def main(cfg: Huang2024, group: Group) -> None:
    out = record.Stage(cfg, PAPER, f"clone_{group}", source="generated", fingerprint=stage.fingerprint(cfg))
    device = record.resolve_device(cfg.engine.device)
    for layer, pairs in groupby(layers(group, cfg.canvas.size(group)), key=lambda pair: pair[0]):
        sizes = [size for _, size in pairs]
        forms = {size: [f"b{blocks}" for blocks in CLONED] for size in sizes}
        if layer == "t2":  # no classifier has the other forms: they are compared where that is cheap
            forms[sizes[-1]] = [*(f"b{blocks}" for blocks in cfg.cloning.blocks), "plain"]
        runs = [run for size in sizes for form in forms[size] for run in clone_runs(cfg, layer, size, form, device)]
        fitted = fit_clones(runs, cfg, cfg.cloning, out.scratch, device, f"{layer} clones")
        keep(cfg, out, layer, forms, fitted)
    out.write()


def keep(cfg: Huang2024, out: record.Stage, layer: str, forms: dict[int, list[str]], fitted: list[Fitted]) -> None:
    """Keep all clones; those of the first of the layer's sizes that has their form have rows in the table of clones."""
    of_size = {size: Errors(layer, size, cfg.cloning.measured) for size in forms}
    shown = {form: size for size in reversed(forms) for form in forms[size]}
    first = next(iter(forms))
    rows: dict[str, list[dict[str, float]]] = {}
    for done in fitted:
        _, _, form, _ = done.run.name.split("/")
        size, blocks = done.run.objective.size, done.run.network.blocks
        found = {} if done.dropped else of_size[size].of_clone(done.network())
        out.runs.append(done.record(found | {"floor": floor(layer, blocks)}, form=form))
        if size == shown[form]:
            rows.setdefault(f"{layer}_{form}", []).append(found)
    rows[f"linear_{layer}"] = [of_size[first].equivariance(untrained(layer, first, seed)) for seed in range(cfg.seeds)]
    for row, found in rows.items():
        for column in ("relative_error", "equivariance_error"):
            if column == "equivariance_error" or not row.startswith("linear"):
                out.metric(f"cloning.{row}.{column}", [values.get(column) for values in found])


if __name__ == "__main__":
    stage.run(main, PAPER, "group")
