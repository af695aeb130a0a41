"""Training the clones of a layer, and what they are worth (huang2024 2.1, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry import models, record
from learned_symmetry.adam import Adam
from learned_symmetry.cloning.clone import KERNEL, ROTATIONS, TURNS, Clone, Layer, cloned, convolved
from learned_symmetry.cloning.objective import CloneLoss
from learned_symmetry.config.huang2024 import Cloning, Group, Huang2024, Measured, Mixers
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.measure.equivariance_error import relative_error, translation_error, turning_error
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Falling

PAPER = "huang2024"
CLONED = (9, 8, 7)  # blocks of the frozen rows of Table 1; the unfrozen one has 9 (D8)
VALIDATED = 100  # images behind a point of a clone's curve


def layers(group: Group, size: int) -> list[tuple[Layer, int]]:
    """The layers of a classifier for images of `size` pixels, and the sizes of their inputs; each has one clone."""
    names: list[Layer] = ["t2"] * 4 if group == "t2" else ["lift", "group", "group", "group"]
    return list(zip(names, sizes(size), strict=True))


def sizes(size: int) -> tuple[int, int, int, int]:
    """Pixels a side of the four layers' inputs, for images of `size`. Raises ValueError where too little is left."""
    third = (size - 4) // 2
    if third < 6:
        raise ValueError(f"images of {size} pixels are too small for four layers and two poolings; 16 are enough")
    return size, size - 2, third, third - 2


def clone_name(layer: Layer, size: int, form: str, seed: int) -> str:
    """Its name as a run; `form` is ``b9`` for nine blocks, ``plain`` for nine without an embedding."""
    return f"{layer}/s{size}/{form}/seed{seed}"


def clone_runs(cfg: Huang2024, layer: Layer, size: int, form: str, device: torch.device) -> list[Run]:
    """Untrained clones of one layer, size and form, one a seed."""
    block = cfg.cloning
    blocks = 9 if form == "plain" else int(form.removeprefix("b"))
    objective = CloneLoss(layer, size, block.iterations, block.kernels, block.images_are, str(device))

    def run(seed: int) -> Run:
        name = clone_name(layer, size, form, seed)
        return Run(
            name=name,
            seed=seed,
            network=models.seeded(
                lambda: Clone(layer, size, blocks, embedded=form != "plain"), generator(seed, "clone", layer, size)
            ),
            objective=objective,
            train={"y": torch.zeros(getattr(block.images, layer))},  # images are drawn: a set's size is all it has
            valid={"y": torch.zeros(VALIDATED)},
            lr=getattr(block.lr, layer),
            weight_decay=block.weight_decay,
        )

    return [run(seed) for seed in range(cfg.seeds)]


def recipe(
    cfg: Huang2024, decay: float, evaluate_every: int, decoupled: bool, clip: float | None = None, **settings: Any
) -> Recipe:
    """The paper's training: the rate falls by `decay` at every evaluation, and the last weights count (D10).

    On a CPU no stack of these runs is as fast as one after the other (`stack` auto): the weights of two clones leave
    the cache, and their gradients are large enough for fresh pages in every step, up to 2.8 times the time.
    """
    block = cfg.adam
    looped = cfg.engine.stack == "auto" and record.resolve_device(cfg.engine.device).type == "cpu"
    return Recipe(
        evaluate_every=evaluate_every,
        keep="last",
        optimiser=Adam((block.beta1, block.beta2), block.eps, decoupled, clip=clip),
        schedule=Falling(decay, evaluate_every),
        stack="never" if looped else cfg.engine.stack,
        checkpoint_seconds=cfg.engine.checkpoint_seconds,
        **settings,
    )


def fit_clones(
    runs: Sequence[Run], cfg: Huang2024, block: Cloning | Mixers, scratch: Path, device: torch.device, label: str
) -> list[Fitted]:
    """Train clones of one layer as the authors do, by the schedule of `block`: AdamW, clipped gradients."""
    layer = runs[0].objective.layer
    taken = recipe(
        cfg,
        block.decay,
        steps=getattr(block.steps, layer),
        batch=len(runs[0].train["y"]),
        evaluate_every=block.evaluate_every,
        order="sequential",
        decoupled=True,
        clip=block.clip,
    )
    return fit(runs, taken, scratch=scratch, device=device, label=label)


def untrained(layer: Layer, size: int, seed: int) -> Callable[[Tensor], Tensor]:
    """A linear layer without bias, as PyTorch initialises it: images (n, J, h, h) to (n, 1, R, h - 2, h - 2)."""
    out, rotations = ROTATIONS[layer]
    side = size - 2
    linear = models.seeded(
        lambda: nn.Linear(rotations * size**2, out * side**2, bias=False), generator(seed, "linear", layer, size)
    )
    return lambda x: linear(x.flatten(1)).unflatten(1, (1, out, side, side))


class Errors:
    """Errors of clones of one layer and size on fresh Gaussian images and kernels, the same for all of them."""

    def __init__(self, layer: Layer, size: int, measured: Measured) -> None:
        self.layer, self.size, self.measured = layer, size, measured
        stream, room = generator(0, "measured", layer, size), max(measured.shifts)
        self.scene = torch.randn(measured.images, ROTATIONS[layer][1], size + room, size + room, generator=stream)
        self.kernels = torch.randn(measured.kernels, *KERNEL[layer], generator=stream)

    @torch.no_grad()
    def of_clone(self, clone: Clone) -> dict[str, float]:
        """Of its outputs, relative to the true layer's mean square, and of its equivariance."""
        x = self.scene[..., : self.size, : self.size]
        found, wanted = cloned(clone, x, self.kernels), convolved(self.layer, x, self.kernels)
        return {"relative_error": relative_error(found, wanted)} | self.equivariance(
            lambda x: cloned(clone, x, self.kernels)
        )

    def equivariance(self, layer: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Of any layer from images (n, J, h, h) to maps (n, ..., R, m, m): shifts for "t2", else quarter turns."""
        if self.layer == "t2":
            error = translation_error(layer, self.scene, self.size, self.measured.shifts)
        else:
            error = turning_error(layer, self.scene[..., : self.size, : self.size], TURNS)
        return {"equivariance_error": error}
