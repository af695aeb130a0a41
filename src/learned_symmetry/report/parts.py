"""Scores by part of a network, as Bruintjes et al. 2023 show them: a figure, and the table of its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learned_symmetry.report import draw, style
from learned_symmetry.report.artefact import Cell, Table
from learned_symmetry.report.measured import Measured, Metric
from learned_symmetry.report.style import Series

PARTS = {"early": "Early", "middle": "Middle", "late": "Late", "pool": "Pool", "final": "Final"}
KINDS = {"inv": "invariance", "eqv": "equivariance"}
APART = 0.09  # by which the series of a part stand beside each other; parts are 1 apart


def figure(results: Measured, rows: Mapping[str, Series], moves: str) -> tuple[Figure, dict[str, Any]]:
    """Invariance left and equivariance right, over the parts: metrics ``ROW.inv.PART`` and ``ROW.eqv.PART``.

    Marks and bars: mean and standard deviation over seeds. Returns the numbers drawn too.
    """
    drawn: dict[str, Any] = {}
    made = style.blank(2.9)
    panels = made.subplots(1, len(KINDS), sharey=True)
    for panel, (kind, title) in zip(panels, KINDS.items(), strict=True):
        for place, (row, series) in enumerate(rows.items()):
            metrics = [results.metric(f"{row}.{kind}.{part}") for part in PARTS]
            mean, std = (np.array([np.nan if m[key] is None else m[key] for m in metrics]) for key in ("mean", "std"))
            x = np.arange(len(PARTS)) + APART * (place - (len(rows) - 1) / 2)
            look = {"color": series.colour, "marker": series.marker, "linestyle": series.dash, "label": series.label}
            panel.errorbar(x, mean, np.nan_to_num(std), capsize=1.6, elinewidth=1, linewidth=0.9, **look)
            drawn.setdefault(row, {})[kind] = {
                part: {key: m[key] for key in ("mean", "std", "n")} for part, m in zip(PARTS, metrics, strict=True)
            }
        panel.set_xticks(range(len(PARTS)), PARTS.values())
        panel.set_title(f"{moves} {title}")
    panels[0].set_ylabel("Pearson correlation")
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(rows))
    return made, drawn


def correlations(results: Measured, rows: Mapping[str, str]) -> tuple[Figure, dict[str, Any]]:
    """Figure 4: rank correlations with accuracy over the parts, a panel a row (metrics as in `figure` -> title)."""
    drawn: dict[str, Any] = {}
    made = style.blank(2.6)
    panels = made.subplots(1, len(rows), sharey=True)
    for panel, (row, title) in zip(panels, rows.items(), strict=True):
        panel.axhline(0, color=style.GREY, linewidth=0.6)
        drawn[row] = draw.scores(panel, results, row, tuple(PARTS), tuple(PARTS.values()))
        panel.set(title=title, ylim=(-1.1, 1.1))
    panels[0].set_ylabel("Spearman's correlation with accuracy")
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return made, drawn


def say_not_run(made: Figure, results: Measured, stage: str) -> None:
    """One line across a figure for which `stage` could not measure every network."""
    missing = results.provenance[stage].get("not_run", {})
    if not missing:
        return
    empty = not any(metric["n"] for metric in results.metrics.values())
    for panel in made.axes if empty else ():
        panel.set_xlim(-0.5, len(PARTS) - 0.5)
        panel.set_ylim(0, 1)
    many = f"{len(missing)} network{'s' if len(missing) > 1 else ''} not run: "
    line = f"{many}weights or images were not at hand (paper/notes/{results.paper}.md says how to supply them)"
    made.text(
        0.53, 0.5 if empty else 0.2, line, ha="center", va="center", fontsize=7.5, color="0.2", backgroundcolor="white"
    )


def table(results: Measured, title: str, head: str, rows: Mapping[str, Series], more: Mapping[str, str]) -> Table:
    """The same numbers; `more` are further columns: metrics ``ROW.inv.NAME``, ``ROW.eqv.NAME`` -> heads."""
    columns = PARTS | more
    made = Table(
        title=title,
        heads=(head, "score"),
        columns=tuple(columns.values()),
        decimals=(3,) * len(columns),
        absent="",  # the paper prints no numbers
    )
    for row, series in rows.items():
        for kind, name in KINDS.items():
            cells = [Cell(results.metric(f"{row}.{kind}.{column}"), None) for column in columns]
            made.rows.append(((series.label, name), cells))
    return made


def differences(
    results: Measured, rows: Mapping[str, Series], label: str
) -> Iterable[tuple[tuple[str, str], list[Cell]]]:
    """Rows of differences that a stage recorded seed by seed, ``ROW.gain.PART``, with their standard errors."""
    for row, series in rows.items():
        yield (
            (series.label, label),
            [Cell(_standard_error(results.metric(f"{row}.gain.{part}")), None) for part in PARTS],
        )


def _standard_error(metric: Metric) -> Metric:
    return metric | {"std": metric["std"] and metric["std"] / math.sqrt(metric["n"])}
