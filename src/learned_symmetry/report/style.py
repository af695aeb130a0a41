"""How figures look: sizes, colours and names, one place for all papers; a series looks the same in every figure.

Colours are from the palette of Okabe and Ito (2008), which colour-blind readers can tell apart; in print without colour
the marks and dashes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.2  # inches, a page's text width
GREY = "0.45"

STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same on every machine
    "font.size": 8,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.6,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "learned-symmetry",  # ids in the SVG depend on the drawing alone
    "xtick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7.5,
    "ytick.major.width": 0.6,
}

NAMES = {  # methods as they are printed
    "teacher": "Teacher",
    "none": "Student",
    "student": "Student",
    "augment": "+ Augment",
    "kd": "KD",
    "dm": "Direct Matching",
    "attention": "Attention",
    "rdl": "RDL",
    "cka": "CKA",
    "orbit": "Orbit",
}


@dataclass(frozen=True)
class Series:
    """One line: how it looks and what the legend calls it."""

    label: str
    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]  # matplotlib's line style


SCORES = {  # in- and equivariance, in every figure of bruintjes2023
    "inv": Series("invariance", "#56B4E9", "s", "-"),
    "eqv": Series("equivariance", "#D55E00", "o", "-"),
}
SERIES = {
    "seen": Series("seen shifts", "#0072B2", "o", "-"),
    "unseen": Series("unseen shifts", "#D55E00", "s", "-"),
    "all": Series("all shifts", "0.35", "D", (0, (3, 1.6))),
}


def panels(rows: Sequence[Sequence[str]], height: float, *, xlabel: str, ylabel: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure of page width with one panel a name, each `height` inches, that share both axes; rows may be short.

    Style is set from matplotlib's own defaults, never from a user's matplotlibrc, and no window system is loaded.
    """
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(WIDTH, len(rows) * height + 0.75), layout="constrained")
    cells = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    named = {}
    for r, row in enumerate(rows):
        named |= dict(zip(row, cells[r], strict=False))
        for unused in cells[r, len(row) :]:
            unused.remove()
        cells[r, 0].set_ylabel(ylabel)
        below = len(rows[r + 1]) if r + 1 < len(rows) else 0
        for lowest in cells[r, below : len(row)]:
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel(xlabel)
    return figure, named


def pictures(columns: int) -> tuple[Figure, list[Axes]]:
    """A figure of page width with square panels side by side, for images."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(WIDTH, WIDTH / columns + 0.5), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])
