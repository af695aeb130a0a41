"""Publish to MLflow every stage of every paper that has results and is not in the store yet.

    python stages/publish.py        # the last stage of `dvc repro`, and the first half of `make mlflow`

A stage that DVC takes from its cache runs nothing and could log nothing, so publishing is a stage of its own: it also
puts back what is missing after `dvc pull` or `rm -r mlflow`. Writes ``mlflow/published.json``, a digest a stage.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from learned_symmetry import config, tracking
from learned_symmetry.errors import command
from learned_symmetry.report import papers
from learned_symmetry.results import write_json

STAMP = Path("mlflow/published.json")


def main(stages: Iterable[tuple[str, str, str]]) -> None:
    """Publish each (scale, paper, stage). Without mlflow it says so and leaves an empty stamp."""
    listed = list(stages)
    ready = [stage for stage in listed if tracking.has_results(*stage)]
    if not tracking.installed():
        print("MLflow is not installed: nothing is published, and no result needs it", file=sys.stderr)
        write_json(STAMP, {})
        return
    new = sum(tracking.publish(*stage) for stage in tqdm(ready, desc="MLflow", unit="stage", disable=None))
    absent = ["/".join(stage) for stage in listed if stage not in ready]
    print(f"MLflow: {len(ready)} of {len(listed)} stages, {new} of them new", flush=True)
    if absent:
        print(f"MLflow: no results (`dvc repro` makes them): {', '.join(absent)}", flush=True)
    write_json(STAMP, {"/".join(stage): tracking.digest(*stage) for stage in ready})


def current() -> list[tuple[str, str, str]]:
    """Every stage that ``params.yaml`` asks for, at its scale: listed, because DVC leaves files of removed stages."""
    settings = {key: config.load(key) for key in papers.PAPERS}
    return [(cfg.scale, key, stage) for key, cfg in settings.items() for stage in papers.of(key).stages(cfg)]


@command("mlflow")
def run() -> None:
    main(current())


if __name__ == "__main__":
    run()
