"""Results of several stages joined, as figures, claims and the summary read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from learned_symmetry.errors import UserError
from learned_symmetry.results import read_result, result_path

Metric = dict[str, Any]  # {"name", "mean", "std", "n", "values": one a seed, null for a dropped run}


@dataclass
class Measured:
    """The metrics of several stages of one paper at one scale, and where each came from."""

    paper: str
    scale: str
    metrics: dict[str, Metric] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)  # metric -> stage
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)  # stage -> its provenance

    def metric(self, name: str) -> Metric:
        """One metric. Raises `UserError` when no stage that was read holds it."""
        if name not in self.metrics:
            stages = ", ".join(self.provenance)
            raise UserError(
                f"{name} is in no result of {self.paper} ({stages}) at scale {self.scale}; run `dvc repro`, which runs"
                " the stages whose settings changed"
            )
        return self.metrics[name]

    def facts(self) -> dict[str, str]:
        """What each artefact prints: scale, seeds, data source, device, and how many runs were dropped if any."""
        seeds = max((len(metric["values"]) for metric in self.metrics.values()), default=0)
        facts = {"scale": self.scale, "seeds": str(seeds)}
        for key in ("data", "device"):
            parts = {part for about in self.provenance.values() for part in about[key].split("; ")}
            facts[key] = "; ".join(sorted(parts))
        dropped = sum(len(about["dropped"]) for about in self.provenance.values())
        return facts | ({"dropped runs": str(dropped)} if dropped else {})


def measured(scale: str, paper: str, stages: Iterable[str], *, partial: bool = False) -> Measured:
    """The results of `stages`, joined. A missing file raises `UserError`, or with `partial` is passed over."""
    joined = Measured(paper, scale)
    for stage in stages:
        if partial and not result_path(scale, paper, stage).exists():
            continue
        result = read_result(scale, paper, stage)
        joined.provenance[stage] = result["provenance"]
        for name, metric in result["metrics"].items():
            if name in joined.metrics:
                raise ValueError(f"{name} is written by {joined.origin[name]} and by {stage} of {paper}")
            joined.metrics[name], joined.origin[name] = metric | {"name": name}, stage
    return joined


def is_stand_in(provenance: dict[str, Any]) -> bool:
    """Whether a stage ran on the embedded data that replace the papers' where neither mirror nor network is there."""
    return "stand-in" in provenance["data"].lower()
