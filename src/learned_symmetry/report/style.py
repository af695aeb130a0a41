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
    "mlp": "MLP",
    "cnn": "CNN",
    "gcnn": "GCNN",
    **{
        f"mlp2{kind}{blocks}": f"mlp2{kind}, frozen, {blocks} blocks"
        for kind in ("cnn", "gcnn")
        for blocks in (9, 8, 7)
    },
    "mlp2cnn_unfreeze": "mlp2cnn, unfrozen",
    "mlp2gcnn_unfreeze": "mlp2gcnn, unfrozen",
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
SIMILARITIES = {  # of bruintjes2023, Figure 2b
    "cosine": Series("invariance by cosine", "#E69F00", "s", "-"),
    "pearson": Series("invariance by Pearson's correlation", "#0072B2", "o", "-"),
    "activation": Series("mean activation", "#D55E00", "D", (0, (3, 1.6))),
}
TASKS = {  # of bruintjes2023, Figure 5
    "mnist6": Series("MNIST6", "#0072B2", "o", "-"),
    "rotinv": Series("MNIST6-Rot-Inv", "#009E73", "s", (0, (3, 1.6))),
    "roteq": Series("MNIST6-Rot-Eq", "#D55E00", "D", (0, (1, 1))),
}
AUGMENTATIONS = {  # Figure 6a
    "none": Series("none", "0.35", "o", "-"),
    "crops": Series("random crops", "#0072B2", "s", "-"),
    "flips": Series("flips", "#009E73", "^", (0, (3, 1.6))),
    "cutmix": Series("CutMix", "#E69F00", "v", (0, (1, 1))),
    "randaugment": Series("RandAugment", "#D55E00", "D", "-"),
}
WIDTHS = {  # Figure 6b
    "s1": Series("s = 1", "#56B4E9", "o", "-"),
    "s2": Series("s = 2", "#0072B2", "s", (0, (3, 1.6))),
    "s4": Series("s = 4", "#E69F00", "^", (0, (1, 1))),
    "s8": Series("s = 8", "#D55E00", "D", "-"),
}
PUBLISHED = {  # Figures 4 and 7
    "effnet_b6": Series("EfficientNet-B6", "#56B4E9", "o", "-"),
    "effnet_b7": Series("EfficientNet-B7", "#0072B2", "o", "-"),
    "resnext101": Series("ResNeXt-101", "#009E73", "s", "-"),
    "inception_v3": Series("Inception-v3", "0.35", "^", "-"),
    "vit": Series("ViT", "#D55E00", "D", (0, (3, 1.6))),
    "mixer": Series("MLP-Mixer", "#E69F00", "v", (0, (1, 1))),
}
SMALL = {  # the same for small networks
    "cnn_s": Series("CNN, small", "#56B4E9", "o", "-"),
    "cnn_l": Series("CNN, large", "#0072B2", "o", "-"),
    "vit_s": Series("ViT, small", "#E69F00", "D", (0, (3, 1.6))),
    "vit_l": Series("ViT, large", "#D55E00", "D", (0, (3, 1.6))),
    "mixer_s": Series("MLP-Mixer, small", "#A5AA99", "v", (0, (1, 1))),
    "mixer_l": Series("MLP-Mixer, large", "#222222", "v", (0, (1, 1))),
}
SERIES = {
    "seen": Series("seen shifts", "#0072B2", "o", "-"),
    "unseen": Series("unseen shifts", "#D55E00", "s", "-"),
    "all": Series("all shifts", "0.35", "D", (0, (3, 1.6))),
}

CLASSES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#A5AA99", "#222222", "#B8860B")

KINDS = {  # networks of moskalev2023
    "WT": Series("WT, weight-tied", "#009E73", "s", (0, (3, 1.6))),
    "DA": Series("DA, augmented", "#D55E00", "o", "-"),
    "IR": Series("IR, regularised", "#0072B2", "D", "-"),
}


NETS = {  # VGG11s of bokman2023, in the order of its tables
    "cnn": Series("CNN", "#D55E00", "o", "-"),
    "cnn_noaug": Series("CNN w/o aug", "0.45", "v", "-"),
    "cnn_inv": Series("CNN + inv-loss", "#0072B2", "D", "-"),
    "cnn_lateinv": Series("CNN + late inv-loss", "#56B4E9", "s", "-"),
    "gcnn": Series("GCNN", "#009E73", "^", "-"),
    "pgcnn": Series("PGCNN", "#CC79A7", "P", "-"),
    "pgcnn_lateinv": Series("PGCNN + late inv-loss", "#7F3C8D", "X", "-"),
}


def blank(height: float) -> Figure:
    """An empty figure of page width and `height` inches in our style.

    Style is set from matplotlib's own defaults, never from a user's matplotlibrc, and no window system is loaded.
    """
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    return Figure(figsize=(WIDTH, height), layout="constrained")


def panels(rows: Sequence[Sequence[str]], height: float, *, xlabel: str, ylabel: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure of page width with one panel a name, each `height` inches, that share both axes; rows may be short."""
    columns = max(len(row) for row in rows)
    figure = blank(len(rows) * height + 0.75)
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


def pictures(columns: int, rows: int = 1, aspect: float = 1.0) -> tuple[Figure, list[Axes]]:
    """A figure of page width with panels, row by row, for images `aspect` times as high as wide."""
    figure = blank(rows * aspect * WIDTH / columns + 0.5)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)
