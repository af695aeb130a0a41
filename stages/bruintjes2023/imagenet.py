"""Bruintjes et al. 2023, Figures 4 and 7: six published networks on ImageNet's validation images (Sections 4.2, 4.6).

    dvc repro stages/bruintjes2023/dvc.yaml:imagenet
    python stages/bruintjes2023/imagenet.py

Nothing is trained. Without images, or for a network without its weights, nothing is measured: the results say what is
missing and how to supply it. Where the images and weights are is no parameter; after supplying them, force the stage:
``dvc repro -f -s stages/bruintjes2023/dvc.yaml:imagenet``, then ``dvc repro``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from learned_symmetry import pretrained, record, stage
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import imagenet
from learned_symmetry.data.augment import Standardise
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.learned_equivariance import PAPER, diagonal_shifts, kept, similarity
from learned_symmetry.measure.equivariance import PARTS, by_part
from learned_symmetry.pretrained import Loaded
from learned_symmetry.published import Absent, Unfit
from learned_symmetry.rank_correlation import rank_correlations

TURNS = (1, 2, 3)  # quarters
FIGURES = {"trans": "fig7a", "rot": "fig7b"}
AGAIN = "and run `dvc repro -f -s stages/bruintjes2023/dvc.yaml:imagenet`"
NOTHING = {part: {"inv": None, "eqv": None} for part in PARTS}
Parts = Mapping[str, Mapping[str, Any]]


def main(cfg: Bruintjes2023) -> None:
    listing = imagenet.find("val", cfg)
    out = record.Stage(cfg, PAPER, "imagenet", source="nothing measured")
    told: dict[str, dict[str, Parts]] = {}
    for name, published in cfg.imagenet.networks.items():
        loaded = _loaded(name, published.tag, listing, cfg)
        if isinstance(loaded, Absent):
            told[name] = dict.fromkeys(FIGURES, NOTHING)
            out.not_run[name] = f"{loaded.reason}, {AGAIN}"
        else:
            out.source = f"ImageNet, {listing.kind}"
            told[name] = _measured(out, name, loaded, listing, cfg)
    accuracies = {name: [cfg.imagenet.networks[name].top1] for name in told}
    for group, figure in FIGURES.items():
        for name, groups in told.items():
            for part in PARTS:
                for score in ("inv", "eqv"):
                    out.metric(f"{figure}.{name}.{score}.{part}", [groups[group][part][score]])
        by_network = {name: [None if name in out.not_run else groups[group]] for name, groups in told.items()}
        rank_correlations(out, f"fig4.{group}", by_network, accuracies)
    out.write()


def _loaded(name: str, tag: str, listing: imagenet.Listing | None, cfg: Bruintjes2023) -> Loaded | Absent:
    """A network, or what is missing or wrong."""
    if listing is None:
        return Absent(f"without ImageNet's validation images: {imagenet.how_to_supply()}")
    try:
        return pretrained.load(name, tag, cfg)
    except Unfit as error:
        return Absent(str(error))


def _measured(
    out: record.Stage, name: str, loaded: Loaded, listing: imagenet.Listing, cfg: Bruintjes2023
) -> dict[str, Parts]:
    """Parts of a network by figure; its runs are recorded."""
    device, block = record.resolve_device(cfg.engine.device), cfg.imagenet
    network, how = loaded.network.to(device), loaded.how
    batches = pretrained.reader(listing.balanced(block.images, block.seed), how, device)
    shifts = diagonal_shifts(max(block.shifts), cfg.measure.translation, Standardise(how.mean, how.std))
    moves = {"trans": (shifts, block.shifts), "rot": (QuarterTurns(), TURNS)}
    found = {}
    for group, (some, elements) in moves.items():
        scores = pretrained.measure(network, batches, some, elements, similarity(cfg.measure))
        run = kept(f"{group}/{name}", 0, scores, elements)
        run.params["weights"] = loaded.weights
        out.runs.append(run)
        found[group] = by_part(scores, cfg.measure.match)
    return found


if __name__ == "__main__":
    stage.run(main, PAPER)
