"""Drawing what more than one figure shows. Every function returns the numbers that it drew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from learned_symmetry.report.measured import Measured
from learned_symmetry.report.reference import Reference
from learned_symmetry.report.style import GREY, SCORES, SERIES, Series

DODGE = {"seen": -1.1, "unseen": 0.0, "all": 1.1}  # shifts by which the dots of single seeds stand apart


def shift_panel(
    axes: Axes, measured: Measured, reference: Reference, row: str, shifts: Sequence[int], title: str, *, extra: bool
) -> dict[str, Any]:
    """Accuracy (percent) over the limit s of the training shifts: one panel of nix2022, Figs. 2 and 3.

    `row` is the metrics' name up to ``.sS_SET``. Line and band: mean and standard deviation over seeds; dots: seeds;
    open marks: the reference's values under the same names, at whichever s it has them. `extra`: not a paper's panel.
    """
    drawn = {}
    for name, series in SERIES.items():
        metrics = [measured.metric(f"{row}.s{s}_{name}") for s in shifts]
        mean, std = (_percent(metric[key] for metric in metrics) for key in ("mean", "std"))
        seeds = [_percent(metric["values"]) for metric in metrics]
        for s, values in zip(shifts, seeds, strict=True):
            at = np.full(len(values), s + DODGE[name])
            axes.plot(at, values, ".", color=series.colour, alpha=0.45, markersize=3.2, markeredgewidth=0, zorder=2)
        axes.fill_between(shifts, mean - std, mean + std, color=series.colour, alpha=0.16, linewidth=0, zorder=1)
        axes.plot(shifts, mean, color=series.colour, linestyle=series.dash, marker=series.marker, zorder=3)
        known = _known(reference, row, name)
        axes.plot([s for s, _ in known], [v for _, v in known], **_open(series), zorder=4)
        drawn[name] = {"s": list(shifts), "mean": _json(mean), "std": _json(std), "seeds": [_json(v) for v in seeds]}
        drawn[name]["reference"] = [list(point) for point in known]
    axes.set_title(title)
    if extra:
        axes.set_title("not in the paper", loc="right", fontsize=6, fontweight="normal", color=GREY)
    axes.set_xticks(list(shifts))
    axes.set_ylim(0, 106)  # room for an open mark at 100
    axes.set_yticks(range(0, 101, 20))
    return drawn


def shift_legend(figure: Figure, reference_label: str) -> None:
    """The legend of all panels, above them; `reference_label` says where the open marks come from."""
    lines = [Line2D([], [], color=s.colour, linestyle=s.dash, marker=s.marker, label=s.label) for s in SERIES.values()]
    ours = [
        Patch(color="0.35", alpha=0.2, linewidth=0, label="mean ± std over seeds"),
        Line2D([], [], color="0.35", alpha=0.5, marker=".", linestyle="", markersize=4, label="one seed"),
        Line2D([], [], **(_open(SERIES["seen"]) | {"markeredgecolor": "0.2"}), label=f"open: {reference_label}"),
    ]
    handles = [handle for pair in zip(lines, ours, strict=True) for handle in pair]  # a legend fills its columns first
    figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.6, handlelength=2.6)


def mosaic(axes: Axes, tiles: Sequence[Sequence[Sequence[float]]], title: str, *, signed: bool = False) -> None:
    """Square tiles in rows of as many, row by row, with a gap between them; `signed` values are red and blue."""
    array = np.array(tiles)
    side = int(np.ceil(np.sqrt(len(array))))
    rows, height, width = -(-len(array) // side), *array.shape[1:]
    gap = max(1, round(0.12 * height)) if height > 8 else 1
    canvas = np.full((rows * (height + gap) - gap, side * (width + gap) - gap), np.nan)
    for number, tile in enumerate(array):
        top, left = number // side * (height + gap), number % side * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    limit = np.abs(array).max()
    look = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if signed else {"cmap": "gray", "vmin": 0, "vmax": 1}
    axes.imshow(canvas, interpolation="nearest", **look)
    axes.set_axis_off()
    axes.set_title(title)


def scores(axes: Axes, measured: Measured, row: str, columns: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """In- and equivariance over `columns`, depth from left to right: metrics ``ROW.inv.COLUMN``, ``ROW.eqv.COLUMN``.

    Line and bars: mean and standard deviation over seeds. Bruintjes et al. 2023, Figure 3.
    """
    drawn = {}
    for kind, series in SCORES.items():
        metrics = [measured.metric(f"{row}.{kind}.{column}") for column in columns]
        mean, std = (np.array([np.nan if m[key] is None else m[key] for m in metrics]) for key in ("mean", "std"))
        look = {"color": series.colour, "marker": series.marker, "linestyle": series.dash, "label": series.label}
        look["markersize"] = 6 if kind == "inv" else 3.6  # both are seen where they coincide
        axes.errorbar(range(len(columns)), mean, np.nan_to_num(std), capsize=2, **look)
        drawn[kind] = {
            column: {key: m[key] for key in ("mean", "std", "n")} for column, m in zip(columns, metrics, strict=True)
        }
    axes.set_xticks(range(len(columns)), labels)
    axes.margins(x=0.2)
    return drawn


def _known(reference: Reference, row: str, name: str) -> list[tuple[int, float]]:
    pattern = re.compile(re.escape(row) + r"\.s(\d+)_" + name)
    matches = ((pattern.fullmatch(metric), value.mean) for metric, value in reference.metrics.items())
    return sorted((int(match[1]), round(100 * value, 6)) for match, value in matches if match)


def _open(series: Series) -> dict[str, Any]:
    look = {"linestyle": "", "marker": series.marker, "markersize": 6.5, "markeredgewidth": 1.1}
    return look | {"markerfacecolor": "none", "markeredgecolor": series.colour}


def _percent(fractions: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else 100 * value for value in fractions], dtype=float)


def _json(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]
