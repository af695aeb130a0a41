"""How the stages of Bruintjes et al. 2023 measure trained networks (Section 4; protocol 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from learned_symmetry import record
from learned_symmetry.config.bruintjes2023 import Bruintjes2023, Measure, Translation
from learned_symmetry.data.augment import Standardise
from learned_symmetry.groups import DiagonalShifts, Moves
from learned_symmetry.measure.equivariance import Scores, Similarity, by_part, equivariance
from learned_symmetry.rng import generator

PAPER = "bruintjes2023"
BATCH = 50  # images measured at once, each with its moved copies; changes nothing but rounding


def trained(cfg: Bruintjes2023, stage: str, name: str, network: nn.Module) -> nn.Module | None:
    """`network` with the weights of a run of `stage`, or None where it was dropped. Raises `UserError` without them."""
    if name in record.read_result(cfg.scale, PAPER, stage)["provenance"]["dropped"]:
        return None
    return record.restore(network, cfg.scale, PAPER, stage, name).requires_grad_(False).eval()


def picked(images: Tensor, cfg: Bruintjes2023) -> Tensor:
    """The test images that are measured on: the first of a fixed shuffle (D11), the same for every network."""
    order = torch.randperm(len(images), generator=generator(cfg.evaluation.seed, "evaluation"))
    return images[order[: cfg.evaluation.images]]


def similarity(measure: Measure, *, centred: bool = True) -> Similarity:
    return Similarity(measure.constant, centred=centred, pooled=measure.pooled)


def diagonal_shifts(limit: int, translation: Translation, prepare: Standardise) -> DiagonalShifts:
    """Shifts of images that are standardised already, so that black is not 0."""
    fills = {"black": [-mean / std for mean, std in zip(prepare.mean, prepare.std, strict=True)], "mean": 0.0}
    return DiagonalShifts(limit, fills.get(translation.fill, "roll"), translation.fractional, translation.least)


def measure_all(
    out: record.Stage,
    row: str,
    networks: Iterable[nn.Module | None],
    images: Tensor,
    moves: Moves,
    elements: Sequence[int],
    cfg: Bruintjes2023,
) -> list[dict[str, dict[str, float]] | None]:
    """Measure networks, one a seed, and record ``ROW.inv.PART`` and ``ROW.eqv.PART``; None is a run that was dropped.

    `images` are standardised. A run keeps its parts by both ways to match channels, and every layer's scores as curves
    over the elements. Returns `by_part` of each.
    """
    device = record.resolve_device(cfg.engine.device)
    batches = images.to(device).split(BATCH)
    parts: list[dict[str, dict[str, float]] | None] = []
    for seed, network in enumerate(networks):
        if network is None:
            parts.append(None)
            continue
        layers = network.to(device).strides
        view = getattr(network, "view", lambda activation: activation)
        scores = equivariance(network, batches, moves, layers, similarity(cfg.measure), elements=elements, view=view)
        parts.append(by_part(scores, cfg.measure.match))
        out.runs.append(kept(f"{row}/seed{seed}", seed, scores, elements))
    for part in next(filter(None, parts), {}):
        for kind in ("inv", "eqv"):
            out.metric(f"{row}.{kind}.{part}", [None if told is None else told[part][kind] for told in parts])
    return parts


def kept(name: str, seed: int, scores: Mapping[str, Scores], elements: Sequence[int]) -> record.RunRecord:
    """A run that holds its parts by both ways to match channels, and every layer's scores as curves over elements."""
    numbers, curves = {}, {}
    for match in ("mean", "sample"):
        for part, told in by_part(scores, match).items():
            numbers |= {f"inv.{part}": told["inv"], f"undefined.{part}": told["undefined"]}
            numbers[f"eqv_{match}.{part}"] = told["eqv"]
    for layer, found in scores.items():
        rows = {"inv": found.inv, **{f"eqv_{match}": eqv for match, eqv in found.eqv.items()}}
        curves |= {f"{kind}.{layer}": list(zip(elements, row.tolist(), strict=True)) for kind, row in rows.items()}
    return record.RunRecord(name, seed, {}, numbers, curves)
