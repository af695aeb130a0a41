"""Networks that are small enough to know all of: Examples C.1 and C.2, Proposition D.1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from learned_symmetry.config.bokman2023 import Theory
from learned_symmetry.groups import Flip
from learned_symmetry.theory.check import Check, normal
from learned_symmetry.theory.relu import SWAP, two_layer

GRID = torch.linspace(-3, 3, 61, dtype=torch.float64)  # of w_1 and w_2 in Example C.1
SHAPES = {  # a cell of each class of Example C.2, 2 x 2 pixels
    0: torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64),
    1: torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64),
}
FREE = torch.tensor([[1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)  # recognises one orientation of class 0
TOLERANCE = 1e-9  # above it two functions of Proposition D.1 differ


def examplec1(cfg: Theory, rng: Generator) -> Check:
    """Example C.1: |x| on data symmetric about 0. One unit that is layerwise equivariant must be 0, and W_1 = W_2 = 1
    has half its error; no other one unit has less. Two units, (1, -1) and (1, 1), are exact and equivariant."""
    half = normal(1, cfg.draws, rng=rng)
    x = torch.cat([half, -half], 1)
    one = torch.ones(1, 1, dtype=torch.float64)

    def error(w2: Tensor, w1: Tensor) -> Tensor:
        return (two_layer(w2, w1, x) - x.abs()).abs().mean((-2, -1))

    nothing = error(0 * one, 0 * one)
    ratio = (error(one, one) / nothing).item()
    grid = torch.cartesian_prod(GRID, GRID)[..., None, None]  # (n, 2, 1, 1)
    best = (torch.cat([error(part[:, 1], part[:, 0]) for part in grid.split(100)]) / nothing).min().item()
    w1, w2 = torch.tensor([[1.0], [-1.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    exact = error(w2, w1).item()
    layers = max((SWAP @ w1 + w1).abs().max().item(), (w2 @ SWAP - w2).abs().max().item())  # rho_0 = -1, rho_2 = 1
    found = {
        "error_ratio": ratio,
        "best_error_ratio_on_grid": best,
        "two_unit_error": exact,
        "two_unit_layer_residual": layers,
    }
    return Check(len(grid) + 2, max(abs(ratio - 0.5), max(0.5 - best, 0.0), exact, layers), None, found)


def examplec2(cfg: Theory, rng: Generator) -> Check:
    """Example C.2 (Figure 10; argued in the paper, the data are ours): every image holds a shape and its mirror image
    equally often. One filter, ReLU and average pooling: a filter for one orientation tells the classes apart and is
    invariant on the data but not off it; of horizontally symmetric filters none tells them apart.
    """
    settings = cfg.cooccurrence
    images = torch.cat([_images(shape, settings.images, cfg, rng) for shape in SHAPES.values()])
    labels = torch.arange(len(SHAPES)).repeat_interleave(settings.images)
    flip = Flip()
    free = pooled(images, FREE)
    lone = torch.zeros(1, 2 * settings.cells, 2 * settings.cells, dtype=torch.float64)
    lone[:, :2, :2] = SHAPES[0]
    on, off = (
        (pooled(x, FREE) - pooled(flip.act(x, 1), FREE)).abs().max().item() / free.max().item() for x in (images, lone)
    )
    # Eighths, so that sums are exact and equal outputs are equal to the bit
    columns = torch.randint(-8, 9, (cfg.draws, 2, 1), generator=rng).double() / 8
    accuracies = [accuracy(pooled(images, column.expand(2, 2)), labels) for column in columns]
    found = {
        "accuracy_free": accuracy(free, labels),
        "accuracy_symmetric": max(accuracies),
        "ondata_flip_difference": on,
        "offdata_flip_difference": off,
    }
    shown = {f"class{label}": images[labels == label][:1].tolist()[0] for label in SHAPES}
    return Check(len(columns) + 1, on, off, found, {**shown, "filter": FREE.tolist()})


def _images(shape: Tensor, n: int, cfg: Theory, rng: Generator) -> Tensor:
    """(n, side, side) with `shapes` copies of a shape and as many of its mirror image in cells drawn at random."""
    settings = cfg.cooccurrence
    cells = settings.cells**2
    place = torch.rand(n, cells, generator=rng).argsort(1)[:, : 2 * settings.shapes]
    content = torch.cat([shape.expand(settings.shapes, 2, 2), shape.flip(-1).expand(settings.shapes, 2, 2)])
    images = torch.zeros(n, cells, 2, 2, dtype=torch.float64)
    images.scatter_(1, place[..., None, None].expand(-1, -1, 2, 2), content.expand(n, -1, 2, 2))
    return images.unflatten(1, (settings.cells, settings.cells)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def pooled(images: Tensor, kernel: Tensor) -> Tensor:
    """The mean over cells of ReLU(filter * cell), (n,)."""
    return F.conv2d(images[:, None], kernel[None, None], stride=2).relu().mean((1, 2, 3))


def accuracy(outputs: Tensor, labels: Tensor) -> float:
    """Of the best threshold on the outputs (n,), from either side, for labels 0 and 1 (n,)."""
    above = outputs >= outputs.unique()[:, None]  # every threshold that makes a difference
    right = (above == labels.bool()).double().mean(1)
    return torch.maximum(right, 1 - right).max().item()


def propd1(cfg: Theory, rng: Generator) -> Check:
    """Proposition D.1: every f(x) = W_2 ReLU(W_1 x) with two inputs, two units and one output that is invariant to a
    swap of its inputs is equal to a layerwise equivariant network of the same size.

    With U = diag(|W_2|) W_1 and s = sign W_2 it is invariant exactly where (i) both rows of U have equal entries,
    (ii) s_1 = s_2 and JU = UJ, or (iii) s_1 = -s_2 and the rows are equal. Then rho_1 = I, J, or U = 0 in its place.
    Exhaustive over integer weights up to `weights`, and random networks of each family and of none.
    """
    whole = torch.arange(-cfg.weights, cfg.weights + 1, dtype=torch.float64)
    every = torch.cartesian_prod(*[whole] * 6)
    wild = normal(cfg.draws, 6, rng=rng)
    weights = torch.cat([every, wild, *_families(cfg.draws, rng)])
    angles = torch.linspace(0, 2 * torch.pi, cfg.directions, dtype=torch.float64)
    x = torch.stack([angles.cos(), angles.sin()])
    failed = mismatches = 0
    residual, witness = 0.0, float("inf")
    kinds = []
    for part in weights.split(2048):
        w1, w2 = part[:, :4].unflatten(1, (2, 2)), part[:, None, 4:]
        f = two_layer(w2, w1, x)
        violation = (f - two_layer(w2, w1, SWAP @ x)).abs().amax((1, 2))
        kind, u, s, rho1 = rewritten(w1, w2)
        kinds.append(kind)
        mismatches += int(((violation < TOLERANCE) != (kind > 0)).sum())
        gaps = torch.stack(
            [
                (two_layer(s, u, x) - f).abs().amax((1, 2)),
                (rho1 @ u - u @ SWAP).abs().amax((1, 2)),
                (s @ rho1 - s).abs().amax((1, 2)),
            ]
        )[:, kind > 0]
        failed += int((gaps >= TOLERANCE).any(0).sum())
        residual = max(residual, gaps.max().item() if gaps.numel() else 0.0)
        witness = min([witness, *violation[kind == 0].tolist()])
    found = {
        "rewrites_failed": float(failed),
        "classification_mismatches": float(mismatches),
        "invariant_of_integer_networks": float((torch.cat(kinds)[: len(every)] > 0).sum()),
    }
    return Check(len(weights), residual, witness, found)


def rewritten(w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which of (i), (ii), (iii) a network is (b,), 0 for none, and its equivariant form U, s, rho_1; (b, ...) each."""
    u = w2.abs().mT * w1
    s = torch.where(w2 < 0, -1.0, 1.0).double()
    rows = (u[:, :, 0] - u[:, :, 1]).abs().amax(1) < TOLERANCE
    alike = s[:, 0, 0] == s[:, 0, 1]
    swapped = (SWAP @ u - u @ SWAP).abs().amax((1, 2)) < TOLERANCE
    same = (u[:, 0] - u[:, 1]).abs().amax(1) < TOLERANCE
    cancels = ~rows & ~alike & same
    kind = torch.where(rows, 1, torch.where(alike & swapped, 2, torch.where(cancels, 3, 0)))
    rho1 = torch.where((kind == 2)[:, None, None], SWAP, torch.eye(2, dtype=torch.float64))
    return kind, u * (kind != 3)[:, None, None], s, rho1


def _families(n: int, rng: Generator) -> list[Tensor]:
    """Random members (n, 6) of (i), of (ii) and of (iii): W_1 by rows, then W_2."""
    a, b, v, w = normal(4, n, rng=rng)
    size = torch.stack([v.abs(), w.abs()], 1)
    equal = torch.stack([a, a, b, b, v, w], 1)
    swapped = torch.stack([a / size[:, 0], b / size[:, 0], b / size[:, 1], a / size[:, 1], size[:, 0], size[:, 1]], 1)
    cancelling = torch.stack(
        [a / size[:, 0], b / size[:, 0], a / size[:, 1], b / size[:, 1], size[:, 0], -size[:, 1]], 1
    )
    return [equal, swapped, cancelling]
