"""Moskalev et al. 2023, Figures 1 to 3: saliency maps and latent positions of images over their orbits, R4.

    dvc repro stages/moskalev2023/dvc.yaml:orbits
    python stages/moskalev2023/orbits.py

The pictures are of the networks of seed 0; the orbit-to-class distance ratio is of all seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.manifold import TSNE
from torch import Tensor, nn

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.data.transforming import Part
from learned_symmetry.errors import UserError
from learned_symmetry.genuine_invariance import GROUPS, PAPER, Experiment
from learned_symmetry.measure import saliency
from learned_symmetry.measure.orbit_distance import orbit_distance_ratio

GROUP = "R4"
ROWS = {"WT": "WT", "DA": "DA", "IR": "IR_LI"}
SHOWN = 4  # images of different classes in the grids
TRACED = 3  # images whose orbits are traced in the latent space


def main(cfg: Moskalev2023) -> None:
    experiment, group, size = Experiment(cfg), GROUPS[GROUP], cfg.evaluation.latent_images
    out = record.Stage(cfg, PAPER, "orbits", source=experiment.source)
    images = experiment.images("mnist", size)
    firsts = {}
    for row, kind in ROWS.items():
        networks = [experiment.trained(kind, GROUP, seed) for seed in range(cfg.seeds)]
        values = [n and orbit_distance_ratio(n.latent, images.test.x, group, images.test.y) for n in networks]
        out.metric(f"odr.{GROUP}.{row}", values)
        if networks[0] is None:
            raise UserError(f"train_{kind}: the run of seed 0 was dropped, so there is nothing to draw; mend its lr")
        firsts[row] = networks[0]
    index = distinct(images.test, SHOWN)
    shown = Part(images.test.x[index], images.test.y[index])
    recipe = experiment.recipe(images.black)
    out.notes = {
        "images": pictures(group.orbit(shown.x).squeeze(2) - images.black),
        "labels": shown.y.tolist(),
        "maps": {row: grid(network, shown, recipe) for row, network in firsts.items()},
        "latent": latent(cfg, firsts["DA"], images.test, recipe, images.black),
    }
    out.write()


def distinct(part: Part, count: int) -> Tensor:
    """Where the first image of each of the first `count` classes is."""
    return torch.stack([torch.nonzero(part.y == label)[0, 0] for label in part.y.unique()[:count]])


def grid(network: nn.Module, part: Part, recipe: saliency.Recipe) -> dict[str, Any]:
    """Saliency maps over the orbit, turned back, (order, n) pictures, and predicted distributions."""
    group = GROUPS[GROUP]
    maps = saliency.orbit_maps(network, part.x, group, part.y, recipe).squeeze(2)
    with torch.no_grad():
        answers = network(group.orbit(part.x).flatten(0, 1)).softmax(-1).unflatten(0, maps.shape[:2])
    return {"maps": pictures(maps), "probabilities": rounded(answers)}


def latent(cfg: Moskalev2023, network: nn.Module, part: Part, recipe: saliency.Recipe, black: float) -> dict[str, Any]:
    """t-SNE of the last hidden layer over whole orbits, and thumbnails with salient pixels of traced images."""
    group = GROUPS[GROUP]
    with torch.no_grad():
        hidden = network.latent(group.orbit(part.x).flatten(0, 1)).cpu().numpy()
    tsne = TSNE(perplexity=cfg.tsne.perplexity, init="pca", learning_rate="auto", random_state=cfg.tsne.seed, n_jobs=1)
    places = torch.from_numpy(np.ascontiguousarray(tsne.fit_transform(hidden))).unflatten(0, (group.order, -1))
    index = distinct(part, TRACED)
    traced = Part(part.x[index], part.y[index])
    turned = saliency.orbit_maps(network, traced.x, group, traced.y, recipe)
    maps = torch.stack([group.act(turned[g], g) for g in range(group.order)]).squeeze(2)  # as the images lie
    return {
        "places": rounded(places),
        "labels": part.y.tolist(),
        "traced": index.tolist(),
        "images": pictures(group.orbit(traced.x).squeeze(2) - black),
        "maps": pictures(maps),
    }


def pictures(x: Tensor) -> Any:
    """Pictures (..., side, side) >= 0, each scaled to its largest pixel, as nested lists of bytes in hexadecimal."""
    if x.dim() > 2:
        return [pictures(part) for part in x]
    scaled = x / x.amax().clamp(min=torch.finfo(x.dtype).tiny)
    return scaled.mul(255).round().to(torch.uint8).cpu().numpy().tobytes().hex()


def rounded(x: Tensor) -> list[Any]:
    """Nested lists with three decimals, enough to draw."""
    return np.round(x.cpu().double().numpy(), 3).tolist()


if __name__ == "__main__":
    stage.run(main, PAPER)
