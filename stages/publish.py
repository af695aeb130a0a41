"""Publish to MLflow every stage of every paper that has results and is not in the store yet.

    python stages/publish.py        # the last stage of `dvc repro`
    python stages/publish.py URL    # the first half of `make mlflow`; prints each paper's address at the server's URL

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
from learned_symmetry.report import papers, reference
from learned_symmetry.report.predicate import Predicate
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


def arrange(url: str | None) -> None:
    """Lay out each paper's table of stages, with what its claims are about as columns; print where it is."""
    for key in papers.PAPERS:
        address = tracking.arrange(key, claimed(key))
        if address and url and url.startswith("http"):
            print(f"  {key}: {url.rstrip('/')}/{address}", flush=True)


def claimed(paper: str) -> list[str]:
    """The metrics that a paper's claims name, in their order."""
    found = reference.of(paper)
    names = [Predicate(claim["predicate"], str(found.path)).names.values() for claim in found.claims]
    return list(dict.fromkeys(metric for some in names for metric, _ in some))


@command("mlflow")
def run(url: str | None = None) -> None:
    main(current())
    if tracking.installed():
        arrange(url)


if __name__ == "__main__":
    run(*sys.argv[1:2])
