"""Writing figures and tables: ``paper/artefacts/SCALE/KEY/``, the same bytes from the same results.

Every artefact prints how it came to be (`Measured.facts`): a footer in figures, a caption under tables.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from learned_symmetry.report.measured import Measured, Metric
from learned_symmetry.report.reference import Value
from learned_symmetry.report.style import GREY
from learned_symmetry.results import write_atomically, write_json

ARTEFACTS = Path("paper/artefacts")
FOOTER = 6.5  # points
NOT_RUN = "not run"
LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "±": r"$\pm$", "·": r"$\cdot$", "×": r"$\times$", "→": r"$\to$", "−": "$-$"}
)
Show = Callable[[float | None, float | None], str]  # a mean and its spread as they are printed


@dataclass(frozen=True)
class Cell:
    """Ours and the paper's value of one metric, as fractions; None where there is none."""

    ours: Metric | None
    paper: Value | None


@dataclass(frozen=True)
class Table:
    """Rows of labels and cells; None leaves a cell empty. `absent` stands for a paper's missing value; empty leaves its
    brackets out.

    `decimals`, one number a column, are for values that are printed as they are, None for those of any magnitude, which
    get two significant digits; without it all are fractions, printed in percent with one decimal.
    """

    title: str
    heads: tuple[str, ...]  # what the labels of a row are
    columns: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], list[Cell | None]]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    absent: str = NOT_RUN
    decimals: tuple[int | None, ...] | None = None


def beside(results: Measured, known: Mapping[str, Value], names: Iterable[str]) -> list[Cell]:
    """Cells of these metrics: ours beside the paper's `known` values.

    What the paper has must have been measured (`Measured.metric`); where it has nothing, neither need we: "not run".
    """
    return [Cell(results.metric(n) if n in known else results.metrics.get(n), known.get(n)) for n in names]


def artefact_path(scale: str, paper: str, name: str, suffix: str) -> Path:
    return ARTEFACTS / scale / paper / f"{name}.{suffix}"


def caption(facts: Mapping[str, str]) -> str:
    """One line: scale, seeds, data source, device."""
    return " · ".join(f"{key}: {value}" for key, value in facts.items())


def save_figure(
    figure: Figure, paper: str, name: str, scale: str, data: Mapping[str, Any], caption_facts: Mapping[str, str]
) -> None:
    """Write NAME.svg, NAME.png and NAME.json (the plotted numbers), with the facts as the figure's footer."""
    width, height = figure.get_size_inches()
    characters = int(width * 72 / (FOOTER * 0.56))  # 0.56 of its size is what a character takes on average
    lines = textwrap.wrap(f"{paper}/{name} · {caption(caption_facts)}", characters)
    below = (len(lines) * FOOTER * 1.4 + 4) / 72 / height  # as a share of the figure
    figure.get_layout_engine().set(rect=(0, below, 1, 1 - below))
    figure.text(0.006, 2 / 72 / height, "\n".join(lines), fontsize=FOOTER, color=GREY, va="bottom")
    written = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}  # no dates, no versions
    for suffix, metadata in written.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix, metadata=metadata)
        content = numbered(drawn.getvalue()) if suffix == "svg" else drawn.getvalue()
        write_atomically(artefact_path(scale, paper, name, suffix), content)
    content = {"artefact": f"{paper}/{name}", "facts": dict(caption_facts), "data": data}
    write_json(artefact_path(scale, paper, name, "json"), content)


def numbered(svg: bytes) -> bytes:
    """A drawing by Matplotlib whose clipping rectangles are numbered as they come.

    Their names are digests of all digits of where they lie, and the last may differ from run to run, because the solver
    of the layout goes by addresses in memory.
    """
    names: dict[bytes, bytes] = {}
    return re.sub(rb"\bp[0-9a-f]{10}\b", lambda found: names.setdefault(found[0], b"clip%d" % len(names)), svg)


def save_table(table: Table, paper: str, name: str, scale: str, caption_facts: Mapping[str, str]) -> None:
    """Write NAME.md, NAME.tex (booktabs) and NAME.json (as measured)."""
    shown = [percent if table.decimals is None else _plain(d) for d in table.decimals or table.columns]
    told = [
        [_told(cell, table.absent, show) for cell, show in zip(cells, shown, strict=True)] for _, cells in table.rows
    ]
    rows = [
        [*labels, *(f"{ours} [{paper}]" if paper else ours for ours, paper in cells)]
        for (labels, _), cells in zip(table.rows, told, strict=True)
    ]
    unit = "In percent: ours" if table.decimals is None else "Ours"
    about = [f"{unit} as mean ± std over seeds (n), in brackets the paper's.", *table.notes]
    about.append(f"{caption(caption_facts)}.")
    write_atomically(artefact_path(scale, paper, name, "md"), _markdown(table, rows, about).encode())
    write_atomically(artefact_path(scale, paper, name, "tex"), _latex(table, rows, about, f"{paper}-{name}").encode())
    content = {
        "artefact": f"{paper}/{name}",
        "title": table.title,
        "about": about,
        "facts": dict(caption_facts),
        "heads": table.heads,
        "columns": table.columns,
        "rows": [
            {"labels": labels, "cells": [_kept(*cell) for cell in zip(cells, shown, strict=True)]}
            for (labels, cells), shown in zip(table.rows, told, strict=True)
        ],
    }
    write_json(artefact_path(scale, paper, name, "json"), content)


def percent(mean: float | None, std: float | None) -> str:
    """``12.3 ± 0.4`` from fractions; without the spread where there is none."""
    if mean is None:
        return NOT_RUN
    return f"{100 * mean:.1f}" + ("" if std is None else f" ± {100 * std:.1f}")


def _plain(decimals: int | None) -> Show:
    form = ".1e" if decimals is None else f"z.{decimals}f"  # z: no -0.00

    def show(mean: float | None, std: float | None) -> str:
        if mean is None:
            return NOT_RUN
        if mean == 0 and decimals is None:
            return "0"
        return f"{mean:{form}}" + ("" if std is None else f" ± {std:{form}}")

    return show


def _told(cell: Cell | None, absent: str, show: Show) -> tuple[str, str]:
    """Ours and the paper's, as they are printed."""
    if cell is None:
        return "", ""
    ours = NOT_RUN
    if cell.ours is not None and cell.ours["mean"] is not None:
        ours = f"{show(cell.ours['mean'], cell.ours['std'])} ({cell.ours['n']})"
    paper = absent if cell.paper is None else show(cell.paper.mean, cell.paper.std)
    return ours, paper


def _kept(cell: Cell | None, shown: tuple[str, str]) -> dict[str, Any]:
    cell = cell or Cell(None, None)
    ours = None if cell.ours is None else {key: cell.ours[key] for key in ("mean", "std", "n")}
    metric = None if cell.ours is None else cell.ours.get("name")  # none where several metrics are one cell
    paper = None if cell.paper is None else asdict(cell.paper)
    return {"metric": metric, "ours": ours, "paper": paper, "shown": shown}


def _markdown(table: Table, rows: list[list[str]], about: list[str]) -> str:
    heads = [*table.heads, *table.columns]
    align = [":--"] * len(table.heads) + ["--:"] * len(table.columns)
    lines = [f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in (heads, align, *rows)), ""]
    return "\n".join([*lines, *(f"{line}\n" for line in about)])


def _latex(table: Table, rows: list[list[str]], about: list[str], label: str) -> str:
    heads = [*table.heads, *table.columns]
    body: list[str] = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before and before[0] != row[0]:
            body.append(r"\midrule")
        body.append(" & ".join(map(latex, row)) + r" \\")
    return "\n".join(
        [
            "% \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{latex(table.title)}. {latex(' '.join(about))}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.heads)}{'r' * len(table.columns)}}}",
            r"\toprule",
            " & ".join(map(latex, heads)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Text as LaTeX prints it."""
    return text.translate(LATEX)
