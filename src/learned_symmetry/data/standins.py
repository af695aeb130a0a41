"""Small data sets that need no download, so that the whole pipeline runs where there are neither files nor a network.

They have the shapes, types and number of classes of what they stand in for and can be learned; the papers' numbers
cannot be expected from them. To add one: a function of the split, a line in `STAND_INS`, and the key `stand_in` in
``data/sources.yaml``, which names it in messages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.rng import generator

LETTERS = "ACEHKLOTVX"  # one a class
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmr10",
    "cmss10",
    "cmtt10",
)
CELL = 40  # pixels; a letter is drawn about 28 high in the middle of it
IMAGES = {"train": 2000, "test": 500}


def load(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Images (uint8) and labels (n,) int64 of the stand-in for data set `name`; the same on every call."""
    return STAND_INS[name](split)


def digits(split: str) -> tuple[Tensor, Tensor]:
    """Scikit-learn's 1,797 handwritten digits for MNIST: (n, 1, 28, 28), n = 1,437 for "train" and 360 for "test".

    As in MNIST the digit fills the middle 20 × 20 pixels.
    """
    from sklearn.datasets import load_digits  # here, because it takes a second

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1)  # (n, 1, 8, 8), 0..16
    large = F.interpolate(small, size=20, mode="bicubic", align_corners=False).clamp(0, 16)
    images = F.pad(large / 16 * 255, (4, 4, 4, 4)).round().to(torch.uint8)
    order = torch.randperm(len(images), generator=generator(0, "stand-in", "mnist"))
    chosen = order[:1437] if split == "train" else order[1437:]
    return images[chosen], torch.from_numpy(bunch.target).long()[chosen]


def letters(split: str) -> tuple[Tensor, Tensor]:
    """Ten letters for Fashion-MNIST: (n, 1, 28, 28), n = 2,000 for "train" and 500 for "test".

    Each image has its own font, size (factor 0.65 to 0.9), angle (up to 15°) and offset (up to 2 pixels).
    """
    stream, n = generator(0, "stand-in", "fashion-mnist", split), IMAGES[split]

    def uniform(limit: float) -> Tensor:
        return (torch.rand(n, generator=stream) * 2 - 1) * limit

    labels = torch.arange(n)[torch.randperm(n, generator=stream)] % len(LETTERS)
    drawn = _letter_bank()[labels, torch.randint(len(FONTS), (n,), generator=stream)]  # (n, 40, 40)
    angle, zoom = uniform(math.radians(15)), 0.775 + uniform(0.125)
    # affine_grid says where in the cell each pixel of the image comes from, in units of half the cell
    scale = 28 / CELL / zoom
    cos, sin = scale * angle.cos(), scale * angle.sin()
    right, down = (uniform(2) / zoom / (CELL / 2) for _ in range(2))
    theta = torch.stack([cos, -sin, right, sin, cos, down], dim=1).view(n, 2, 3)
    grid = F.affine_grid(theta, [n, 1, 28, 28], align_corners=False)
    images = F.grid_sample(drawn.unsqueeze(1), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return images.round().to(torch.uint8), labels


def shapes(split: str) -> tuple[Tensor, Tensor]:
    """Coloured shapes for CIFAR-10: (n, 3, 32, 32), n = 2,000 for "train" and 500 for "test".

    Class 2 k + w is shape k of disc, square, triangle, cross and ring, in a warm (w = 0) or cold (w = 1) colour. Each
    image has its own colours, size (radius 8 to 12 pixels), angle, offset (up to 4 pixels), shaded ground and noise.
    """
    stream, n, side = generator(0, "stand-in", "cifar10", split), IMAGES[split], 32

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=stream)

    labels = torch.arange(n)[torch.randperm(n, generator=stream)] % 10
    grid = torch.arange(side) - (side - 1) / 2
    y, x = (grid.view(-1, 1) - uniform(-4, 4, 1, 1), grid - uniform(-4, 4, 1, 1))  # (n, 32, 1), (n, 1, 32)
    angle, radius = uniform(0, 2 * math.pi, 1, 1), uniform(8, 12, 1, 1)
    u, v = (angle.cos() * x + angle.sin() * y) / radius, (angle.cos() * y - angle.sin() * x) / radius
    far, square = torch.hypot(u, v), torch.maximum(u.abs(), v.abs())
    leaning = torch.stack([-v, v / 2 + u * 0.75**0.5, v / 2 - u * 0.75**0.5]).amax(0)
    cross = torch.maximum(square, torch.minimum(u.abs(), v.abs()) + 0.7)
    edges = torch.stack([far, square + 0.15, leaning + 0.45, cross, (far - 0.75).abs() + 0.75], 1)  # inside below 1
    inside = ((1 - edges[torch.arange(n), labels // 2]) * radius + 0.5).clamp(0, 1).unsqueeze(1)  # a pixel's soft edge
    warm, cold = uniform(0, 1, 3) * torch.tensor([0.5, 0.6, 0.4]), uniform(0, 1, 3) * torch.tensor([0.4, 0.6, 0.5])
    warm, cold = warm + torch.tensor([0.5, 0.2, 0.0]), cold + torch.tensor([0.0, 0.2, 0.5])
    colour = torch.where((labels % 2 == 0).unsqueeze(1), warm, cold).view(n, 3, 1, 1)
    slope = (uniform(-1, 1, 1, 1) * grid.view(-1, 1) + uniform(-1, 1, 1, 1) * grid).unsqueeze(1) / side
    ground = uniform(0.2, 0.8, 3, 1, 1) + 0.3 * slope
    images = inside * colour + (1 - inside) * ground + 0.03 * torch.randn(n, 3, side, side, generator=stream)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8), labels


def _letter_bank() -> Tensor:
    """Every letter in every font, white on black: (letters, fonts, 40, 40) float32, 0..255."""
    import matplotlib  # here, because it takes half a second; no pyplot, so no backend and no window
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    rows, columns = len(LETTERS), len(FONTS)
    figure = Figure(figsize=(columns, rows), dpi=CELL, facecolor="black")  # inches: one a cell
    canvas = FigureCanvasAgg(figure)
    for column, name in enumerate(FONTS):
        font = FontProperties(fname=Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size=68)
        for row, letter in enumerate(LETTERS):
            place = (column + 0.5) / columns, 1 - (row + 0.5) / rows
            figure.text(*place, letter, font=font, color="white", ha="center", va="center", usetex=False)
    canvas.draw()
    page = np.asarray(canvas.buffer_rgba())[:, :, 0]  # (rows * 40, columns * 40)
    cells = page.reshape(rows, CELL, columns, CELL).transpose(0, 2, 1, 3)
    return torch.from_numpy(cells.astype(np.float32))


STAND_INS: dict[str, Callable[[str], tuple[Tensor, Tensor]]] = {
    "mnist": digits,
    "fashion-mnist": letters,
    "cifar10": shapes,
}
