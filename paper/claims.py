"""Verdicts on a paper's claims from the results at the current scale.

    python paper/claims.py nix2022      # paper/results/SCALE/nix2022/*.json -> paper/results/SCALE/nix2022/claims.json

A stage that has not run leaves its metrics missing, and the claims over them "not run".
"""

from __future__ import annotations

import sys
from collections import Counter

from learned_symmetry import config
from learned_symmetry.errors import UserError, command
from learned_symmetry.report import papers, reference
from learned_symmetry.report.claims import evaluate
from learned_symmetry.report.measured import measured
from learned_symmetry.report.predicate import metrics_of
from learned_symmetry.results import result_path, write_json


def main(cfg: config.Settings, paper: str) -> None:
    results = measured(cfg.scale, paper, papers.of(paper).stages(cfg), partial=True)
    known = reference.of(paper)
    claims = evaluate(known, results, resamples=cfg.report.resamples, seed=cfg.report.seed)
    judged = {name for claim in known.claims for name in metrics_of(claim["predicate"])}
    content = {"paper": paper, "scale": cfg.scale, **cfg.report.model_dump(), "claims": claims}
    # What `dvc exp show` and `dvc metrics diff` print: they flatten mappings and pass over lists
    content["verdict"] = {claim["id"]: claim["verdict"] for claim in claims}
    content["mean"] = {name: results.metrics[name]["mean"] for name in sorted(judged & results.metrics.keys())}
    write_json(result_path(cfg.scale, paper, "claims"), content)
    counts = Counter(claim["verdict"] for claim in claims)
    print(f"{paper}/claims: {', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items()))}", flush=True)


@command("claims")
def run(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise UserError(f"name one paper, as in `python paper/claims.py nix2022`; known are {', '.join(papers.PAPERS)}")
    papers.of(arguments[0])
    main(config.load(arguments[0]), arguments[0])


if __name__ == "__main__":
    run(sys.argv[1:])
