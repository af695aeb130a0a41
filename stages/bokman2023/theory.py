"""Bökman and Kahl 2023: every statement of the paper, tried on many cases, in float64.

    dvc repro stages/bokman2023/dvc.yaml:theory
    python stages/bokman2023/theory.py

Nothing here is trained and no data is read: matrices, actions and kernels are drawn, or all small ones are tried.
"""

from __future__ import annotations

from learned_symmetry import record, stage, theory
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.rng import generator

PAPER = "bokman2023"
SOURCE = "random cases, generated"


def main(cfg: Bokman2023) -> None:
    out = record.Stage(cfg, PAPER, "theory", source=SOURCE)
    out.notes["statements"] = []
    for key, statement in theory.STATEMENTS.items():
        found = statement.check(cfg.theory, generator(0, key))
        told = {"cases": float(found.cases), "residual": found.residual}
        told |= {} if found.witness is None else {"witness": found.witness}
        for name, value in {**told, **found.quantities}.items():
            out.metric(f"theory.{key}.{name}", [value])
        out.notes["statements"].append({"key": key, "name": statement.name, "tried": statement.tried})
        out.notes |= {key: found.shown} if found.shown else {}
    out.write()


if __name__ == "__main__":
    stage.run(main, PAPER)
