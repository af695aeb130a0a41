"""What the tables of ResNets merged with their mirror images share (bokman2023, Tables 3 and 5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from learned_symmetry import config
from learned_symmetry.report import reference
from learned_symmetry.report.artefact import Table, beside, save_table
from learned_symmetry.report.measured import measured

REGISTRY = Path("data/imagenet_resnet50.yaml")
COLUMNS = {  # end of a metric's name -> head
    "invariance_error": "invariance error",
    "accuracy": "accuracy",
    "flip_accuracy": "flip-accuracy",
    "halfway_accuracy_norepair": "halfway, no REPAIR",
    "halfway_accuracy": "halfway",
    "gcnn_barrier_norepair": "barrier, no REPAIR",
    "gcnn_barrier": "GCNN barrier",
}
DECIMALS = (4, 3, 3, 3, 3, 5, 5)
NOTE = (
    "Flip-accuracy: with mirrored filters. Halfway: the average with the matched mirror image, batch norms reset,"
    " without and with REPAIR. Barrier: the share of the endpoints' mean accuracy that is lost halfway."
)


def imagenet_table(scale: str, name: str, title: str) -> None:
    """Table 3 or 5 (`name`): the registry's rows that the paper has there, and what is missing for those not run."""
    results, known = measured(scale, "bokman2023", ["resnet50"]), reference.of("bokman2023").metrics
    absent = results.provenance["resnet50"].get("not_run", {})
    table = Table(
        title=f"Bökman and Kahl 2023, Table {name.removeprefix('table')}: {title}",
        heads=("network",),
        columns=tuple(COLUMNS.values()),
        decimals=DECIMALS,
    )
    rows = {row: about["title"] for row, about in config.read(REGISTRY).items() if f"{name}.{row}.accuracy" in known}
    for row, label in rows.items():
        table.rows.append(((label,), beside(results, known, [f"{name}.{row}.{column}" for column in COLUMNS])))
    reasons: dict[str, list[str]] = {}
    for row in rows.keys() & absent.keys():
        reasons.setdefault(absent[row], []).append(rows[row].strip("*"))
    told = sorted(f"Not run ({', '.join(sorted(who))}): {why}." for why, who in reasons.items())
    save_table(
        replace(table, notes=(NOTE, "*: trained by the authors.", *told)), "bokman2023", name, scale, results.facts()
    )
