"""Drawing what more than one figure shows. Every function returns the numbers that it drew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from learned_symmetry.report.measured import Measured, Metric
from learned_symmetry.report.reference import Reference
from learned_symmetry.report.style import GREY, SCORES, SERIES, Series, pictures

CLONES = ("input", "true layer", "9 blocks", "7 blocks", "untrained")  # columns of huang2024's Figures 5 and 6
MIXERS = ("input", "true layer", "mixer", "untrained")  # and 7 and 8
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
    """Tiles in rows of as many, row by row, with a gap between them; `signed` values are red and blue.

    A tile is (height, width), or (height, width, 3) in colours from 0 to 1.
    """
    array = np.array(tiles)
    side = int(np.ceil(np.sqrt(len(array))))
    rows, (height, width), colours = -(-len(array) // side), array.shape[1:3], array.shape[3:]
    gap = max(1, round(0.12 * height)) if height > 8 else 1
    empty = 1.0 if colours else np.nan  # white
    canvas = np.full((rows * (height + gap) - gap, side * (width + gap) - gap, *colours), empty)
    for number, tile in enumerate(array):
        top, left = number // side * (height + gap), number % side * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    limit = np.abs(array).max()
    look = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if signed else {"cmap": "gray", "vmin": 0, "vmax": 1}
    axes.imshow(canvas, interpolation="nearest", **look)
    axes.set_axis_off()
    axes.set_title(title)


BESIDE = {  # what stands to the right of a filter, by the name in the results
    "conv1_unflipped": "filter | mirrored twin",  # step 4 of bokman2023's Figure 2
    "conv1_twin": "filter | twin, mirrored",
    "conv2_twin": "filter | twin, mirrored",
}


def filter_figure(
    filters: Mapping[str, Mapping[str, Any]], panels: Mapping[str, tuple[str, str, str]]
) -> tuple[Figure, dict[str, Any]]:
    """Pairs of 3 x 3 filters in colour, of bokman2023: panels by title, each (kind, name of the left, of the right).

    Values of a panel are scaled to its largest, which is black or white, and 0 is grey. A panel is empty and says so
    where every network of its kind was dropped.
    """
    drawn: dict[str, Any] = {}
    canvases = []
    for title, (kind, *names) in panels.items():
        shown = filters.get(kind, {name: [] for name in names})
        left, right = (np.array(shown[name]).reshape(-1, 3, 3, 3).transpose(0, 2, 3, 1) for name in names)
        canvases.append(_pairs(left, right, (8 if len(left) <= 64 else 16) // len(panels)))
        drawn[title] = {"seed": shown.get("seed"), **{name: shown[name] for name in names}}
    height, width = np.max([canvas.shape[:2] for canvas in canvases], axis=0)
    figure, axes = pictures(len(panels), 1, height / width)
    figure.get_layout_engine().set(wspace=0.08)
    for panel, canvas, title in zip(axes, canvases, panels, strict=True):
        panel.imshow(canvas, interpolation="nearest")
        panel.set_axis_off()
        panel.set_title(title if drawn[title]["seed"] is not None else f"{title}: every network was dropped")
        panel.set_title(BESIDE[panels[title][2]], loc="right", fontsize=6, fontweight="normal", color=GREY)
    return figure, drawn


def _pairs(left: np.ndarray, right: np.ndarray, columns: int, zoom: int = 8, within: int = 3, gap: int = 12) -> Any:
    """Filters (n, 3, 3, 3) side by side, in rows of `columns` pairs on white; sizes in pixels."""
    limit = 2 * max(np.abs(side).max(initial=0) for side in (left, right))
    side, rows = 3 * zoom, max(1, -(-len(left) // columns))
    step = 2 * side + within + gap
    canvas = np.ones((rows * (side + gap) - gap, columns * step - gap, 3))
    for number, pair in enumerate(zip(left, right, strict=True)):
        top, start = number // columns * (side + gap), number % columns * step
        for tile in pair:
            canvas[top : top + side, start : start + side] = np.kron(tile / limit + 0.5, np.ones((zoom, zoom, 1)))
            start += side + within
    return canvas


def picture(code: str) -> np.ndarray:
    """A square picture, (side, side) from 0 to 255, from its bytes in hexadecimal."""
    flat = np.frombuffer(bytes.fromhex(code), np.uint8)
    return flat.reshape(int(len(flat) ** 0.5), -1)


def salient(axes: Axes, image: np.ndarray, saliency: np.ndarray) -> None:
    """A grey picture with a saliency map in red over it, both (side, side) from 0 to 255."""
    base = np.repeat(0.75 * image[..., None] / 255, 3, axis=2)
    share = np.sqrt(saliency[..., None] / 255)  # so that the faint edge of a blurred pixel is seen
    axes.imshow((1 - share) * base + share * np.array([1.0, 0.15, 0.1]), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def curve(axes: Axes, x: Sequence[float], metrics: Sequence[Metric], series: Series) -> dict[str, Any]:
    """Mean over seeds as a line and the standard deviation as a band; `metrics` has one entry a point of x."""
    mean, std = (np.array([np.nan if m[k] is None else m[k] for m in metrics], dtype=float) for k in ("mean", "std"))
    axes.fill_between(x, mean - std, mean + std, color=series.colour, alpha=0.16, linewidth=0)
    axes.plot(x, mean, color=series.colour, linestyle=series.dash, marker=series.marker, label=series.label)
    return {"x": list(x), "mean": _json(mean), "std": _json(std)}


def maps_figure(shown: Mapping[str, Sequence[Any]], columns: Sequence[str], rows: Sequence[str]) -> Figure:
    """Images or maps `shown` by title, one column each, one row a moved input; a grey scale a column."""
    figure, axes = pictures(len(columns), len(rows))
    for place, panel in enumerate(axes):
        title, row = columns[place % len(columns)], place // len(columns)
        images = shown[title]
        panel.imshow(images[row], cmap="gray", vmin=np.min(images), vmax=np.max(images), interpolation="nearest")
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        if row == 0:
            panel.set_title(title)
        if title == columns[0]:
            panel.set_ylabel(rows[row])
    return figure


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
