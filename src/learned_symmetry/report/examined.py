"""The cross-examination as its tables and figures show it: whose networks, what they are called, which measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from learned_symmetry.report.artefact import Cell, Table
from learned_symmetry.report.measured import Measured
from learned_symmetry.report.style import AUGMENTATIONS, NETS, WIDTHS
from learned_symmetry.report.style import SMALL as SMALL_NETWORKS

PAPERS = {"nix": "Nix", "moskalev": "Moskalev", "huang": "Huang", "bokman": "Bökman", "bruintjes": "Bruintjes"}
LOOKS = {  # of a paper's networks: colour and mark
    "nix": ("#0072B2", "o"),
    "moskalev": ("#D55E00", "s"),
    "huang": ("#009E73", "^"),
    "bokman": ("#CC79A7", "D"),
    "bruintjes": ("#E69F00", "v"),
}


@dataclass(frozen=True)
class Examined:
    """A network: the key of its paper's authors, and what it is called."""

    paper: str
    label: str


def _named(paper: str, labels: Mapping[str, str]) -> dict[str, Examined]:
    return {f"{paper}_{key}": Examined(paper, label) for key, label in labels.items()}


STUDENTS = {"student": "MLP", "kd": "MLP, KD", "attention": "MLP, Attention", "rdl": "MLP, RDL", "orbit": "MLP, Orbit"}
CLONES = {"mlp": "MLP", "clone": "clone, frozen", "unfrozen": "clone, unfrozen"}
RESNETS = {"supervised": "ResNet", "supervised_inv": "ResNet + inv-loss", "simsiam": "ResNet, SimSiam"}
NETWORKS = {  # group -> its networks, in the order of tables
    "c4": {
        **_named("nix", {"teacher": "GCNN, teacher", **STUDENTS}),
        **_named("moskalev", {"wt": "weight-tied", "da": "augmented", "ir": "regularised"}),
        **_named("huang", {"gcnn": "GCNN", **CLONES}),
        **_named("bruintjes", {"plain": "CNN, upright", "rotinv": "CNN, turned", "roteq": "CNN, asked for the turn"}),
    },
    "t2": {
        **_named("nix", {"teacher": "CNN, teacher", **STUDENTS, "augment": "MLP, augmented"}),
        **_named("huang", {"cnn": "CNN", **CLONES}),
        **_named("bruintjes", {"plain": "CNN"}),
    },
    "cifar": {
        **{f"vgg_{key}": Examined("bokman", f"VGG11, {series.label}") for key, series in NETS.items()},
        **{
            f"resnet_{key}_{size}": Examined("bokman", f"{label}, {size} size")
            for key, label in RESNETS.items()
            for size in ("even", "odd")
        },
        **_named("bruintjes", {key: f"ResNet-44, {series.label}" for key, series in AUGMENTATIONS.items()}),
        **_named("bruintjes", {key: f"WRN-40, {series.label}" for key, series in WIDTHS.items()}),
        **_named("bruintjes", {key: series.label for key, series in SMALL_NETWORKS.items()}),
    },
}
GROUPS = {"c4": "quarter turns", "t2": "translations", "cifar": "mirroring"}
COLUMNS = {  # measure -> head, decimals
    "still": ("as it lies", 3),
    "moved": ("all moved", 3),
    "li": ("LI", None),
    "di": ("DI", None),
    "relative": ("relative error", None),
    "si": ("SI", 3),
    "teacher_si": ("teacher SI", 3),
    "inv": ("invariance", 3),
    "eqv": ("equivariance", 3),
    "eqv_early": ("early", 3),
    "eqv_late": ("late", 3),
    "barrier": ("barrier", 3),
    "jacobian": ("Jacobian", 2),
}
NOTES = (
    "As it lies, all moved: accuracy. LI, DI (nats), SI: Moskalev et al.; SI is better high. Relative error: Bökman and"
    " Kahl. Teacher SI: how alike the saliency maps of student and teacher are. Invariance, equivariance: Bruintjes et"
    " al., mean over a network's early, middle and late layers; equivariance of the first and last. Barrier: GCNN"
    " barrier, relative. Jacobian: its largest singular value. LI and Jacobian compare networks of one paper.",
)


def table(results: Measured, group: str) -> Table:
    """All measures of a group that there are, a row a network."""
    rows = NETWORKS[group]
    columns = {
        name: about
        for name, about in COLUMNS.items()
        if any(f"{group}.{row}.{name}" in results.metrics for row in rows)
    }
    made = Table(
        title=f"Cross-examination: each paper's measures on the networks of the others, under {GROUPS[group]}",
        heads=("networks of", "network"),
        columns=tuple(head for head, _ in columns.values()),
        decimals=tuple(decimals for _, decimals in columns.values()),
        absent="",
        notes=NOTES,
    )
    for row, network in rows.items():
        found = [results.metrics.get(f"{group}.{row}.{name}") for name in columns]
        cells = [None if metric is None else Cell(metric, None) for metric in found]
        made.rows.append(((PAPERS[network.paper], network.label), cells))
    return made


def scatter(axes: Axes, results: Measured, group: str, x: str, y: str) -> dict[str, Any]:
    """A mark a network at the means of two measures, bars of one standard deviation; networks without either left out.

    Returns what is drawn: the values of all seeds.
    """
    drawn = {}
    for name, network in NETWORKS[group].items():
        pair = [results.metrics.get(f"{group}.{name}.{measure}") for measure in (x, y)]
        if any(metric is None or metric["mean"] is None for metric in pair):
            continue
        spread = [metric["std"] or 0 for metric in pair]
        colour, mark = LOOKS[network.paper]
        axes.errorbar(
            pair[0]["mean"], pair[1]["mean"], spread[1], spread[0], color=colour, marker=mark, linestyle="",
            markerfacecolor="none", markersize=5, elinewidth=0.6,
        )  # fmt: skip
        drawn[name] = {measure: metric["values"] for measure, metric in zip((x, y), pair, strict=True)}
    return drawn


def legend(figure: Figure, groups: Iterable[str]) -> None:
    """Whose networks the marks are, above all panels."""
    shown = {network.paper for group in groups for network in NETWORKS[group].values()}
    lines = [
        Line2D([], [], color=colour, marker=mark, linestyle="", markerfacecolor="none", label=PAPERS[paper])
        for paper, (colour, mark) in LOOKS.items()
        if paper in shown
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), title="networks of", title_fontsize=7.5)
