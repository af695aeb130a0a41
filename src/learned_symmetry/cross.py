"""What the measures of all papers say of one trained network of any of them, under any group or moves.

Whose networks these are stands in `cross_digits` and `cross_photographs`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from learned_symmetry import config, record
from learned_symmetry.config.cross import Budget, Cross
from learned_symmetry.flip_merge import Merge, merged
from learned_symmetry.groups import Group, Moves
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.measure.divergence import divergence
from learned_symmetry.measure.equivariance import Similarity, View, by_part, equivariance
from learned_symmetry.measure.jacobian import jacobian_norm
from learned_symmetry.measure.logit_invariance import half_square
from learned_symmetry.measure.relative_invariance import relative_distance
from learned_symmetry.measure.saliency import Recipe, map_similarity, saliency_similarity
from learned_symmetry.merge.average import relative_barrier
from learned_symmetry.merge.layouts import layout
from learned_symmetry.merge.permute import moved
from learned_symmetry.precision import ieee_float32

# Images at once, few enough for a CPU's cache, with channels last: 2 to 4 times as fast; change nothing but rounding
CHUNK, LAYER_CHUNK, JACOBIAN_CHUNK = 100, 50, 10
CALIBRATION = 200  # images in a batch whose statistics a merged network's norms get, as bokman2023 has it
PARTS = ("early", "middle", "late")  # of a network before its pooling, over which layerwise scores are averaged


def maps(activation: Tensor) -> Tensor:
    """A layer's output as maps (n, channels, h, w), or as units (n, channels) where there is but one position.

    P4 maps (n, c, 4, h, w), of which a turn moves the positions and the rotations, have 4 c channels.
    """
    if activation.dim() == 5:
        activation = activation.flatten(1, 2)
    return activation.flatten(1) if activation.shape[2:].numel() == 1 else activation


@dataclass(frozen=True)
class Subject:
    """A network of one paper, once a seed (None where that run was dropped), and test images as it sees them.

    Attributes:
        x, y: unmoved images (n, c, side, side), with black ones among their pixels, and labels (n,).
        layers: those whose features are compared, in order, and how many input pixels one step in each is.
        view: gives a layer's output the shape (n, channels, h, w), or (n, units) where it has no positions.
        teachers: beside the networks of students, in their order, those that taught them.
        barriers: the relative GCNN barrier of each, where there is one.
    """

    networks: Sequence[nn.Module | None]
    x: Tensor
    y: Tensor
    layers: Mapping[str, int]
    view: View = maps
    teachers: Sequence[nn.Module | None] = ()
    barriers: Sequence[float | None] = ()


def restored(network: nn.Module, scale: str, paper: str, stage: str, run: str) -> nn.Module | None:
    """`network` with the weights of a run, or None where it was dropped. Raises `UserError` without them."""
    if run in record.read_result(scale, paper, stage)["provenance"]["dropped"]:
        return None
    return record.restore(network, scale, paper, stage, run).requires_grad_(False).eval()


def linear_layers(network: nn.Module) -> dict[str, int]:
    """The hidden layers of an MLP, before their ReLU; as they have no positions, their strides count for nothing."""
    return dict.fromkeys([name for name, part in network.named_modules() if isinstance(part, nn.Linear)][:-1], 1)


def _placed(network: nn.Module, device: torch.device) -> nn.Module:
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)
    return network.to(device)


def _laid(x: Tensor, device: torch.device) -> Tensor:
    return x.to(device, memory_format=torch.channels_last)


@torch.no_grad()
def over_orbit(network: nn.Module, x: Tensor, y: Tensor, moves: Moves) -> dict[str, float]:
    """The measures that need no more than the logits of moved images (n, ...), which are computed once.

    Accuracy on the images as they are and on all moved copies, themselves among them, as shares; LI, DI (nats) and the
    relative invariance error, as `measure` has them.
    """
    sums = dict.fromkeys(("still", "moved", "li", "di", "relative"), 0.0)
    errors = {"li": half_square, "di": divergence, "relative": relative_distance}
    for part, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
        still = network(part)
        right = (still.argmax(-1) == labels).sum().item()
        sums["still"] += right
        sums["moved"] += right / moves.order
        for g in range(1, moves.order):
            after = network(moves.act(part, g))
            sums["moved"] += (after.argmax(-1) == labels).sum().item() / moves.order
            for name, error in errors.items():
                sums[name] += error(still, after).double().sum().item() / (moves.order - 1)
    return {name: total / len(y) for name, total in sums.items()}


def layerwise(
    network: nn.Module, x: Tensor, moves: Moves, subject: Subject, similarity: Similarity
) -> dict[str, float]:
    """In- and equivariance in Bruintjes' sense: the mean over the parts of a network, and its first and last part."""
    scores = equivariance(network, x.split(LAYER_CHUNK), moves, subject.layers, similarity, view=subject.view)
    parts = [told for part, told in by_part(scores, "mean").items() if part in PARTS]
    found = {}
    for kind in ("inv", "eqv"):
        values = [told[kind] for told in parts]
        found |= {kind: sum(values) / len(values), f"{kind}_early": values[0], f"{kind}_late": values[-1]}
    return found


@torch.no_grad()
def barriers(subject: Subject, seen: Tensor, group: Group, g: int, cfg: Cross) -> list[float | None]:
    """The relative barrier of each network and the one with its filters moved by g, matched and repaired.

    Bökman and Kahl's GCNN barrier is that of mirrored filters. `seen` are training images (n, c, side, side). NaN
    where neither network is ever right; None for a run that was dropped.
    """
    how = Merge(**config.load("bokman2023", scale=cfg.scale).resnet.merge.model_dump())
    device, found = record.resolve_device(cfg.engine.device), []
    x, seen = _laid(subject.x, device), _laid(seen, device)
    y = subject.y.to(device)
    for network in subject.networks:
        if network is None:
            found.append(None)
            continue
        spelled = layout(_placed(network, device))
        other = moved(spelled.network, group, g)
        with ieee_float32():
            batches = seen.split(CALIBRATION)
            halfway, _ = merged(spelled.network, other, spelled.channels, spelled.repaired, batches, how)
            ends = [accuracy(end, x, y, CHUNK) for end in (spelled.network, other)]
            between = accuracy(halfway["halfway_accuracy"], x, y, CHUNK)
        found.append(relative_barrier(*ends, between) if any(ends) else math.nan)
    return found


def examined(
    network: nn.Module, subject: Subject, moves: Moves, budget: Budget, cfg: Cross, teacher: nn.Module | None = None
) -> dict[str, float]:
    """Every measure of one network, by name. SI is for groups only: what moves lose cannot be moved back."""
    x, y = subject.x, subject.y
    shown, labels = x[: budget.saliency_images], y[: budget.saliency_images]
    block = config.load("moskalev2023", scale=cfg.scale).saliency
    recipe = Recipe(
        baseline=x.amin((0, 2, 3), keepdim=True) if block.baseline == "black" else 0.0,
        steps=budget.saliency_steps,
        output=block.output,
        threshold=block.threshold,
        size=block.kernel,
        sigma=block.sigma,
    )
    told = labels if block.target == "label" else None
    measure = config.load("bruintjes2023", scale=cfg.scale).measure
    similarity = Similarity(measure.constant, pooled=measure.pooled)
    with ieee_float32():
        found = over_orbit(network, x, y, moves)
        found |= layerwise(network, x[: budget.layer_images], moves, subject, similarity)
        if isinstance(moves, Group):
            found["si"] = saliency_similarity(network, shown, moves, told, recipe)
        if teacher is not None:
            found["teacher_si"] = map_similarity(network, teacher, shown, told, recipe)
        found["jacobian"] = jacobian_norm(network, x[: budget.jacobian_images], JACOBIAN_CHUNK)
    return found


def record_all(
    out: record.Stage,
    group: str,
    subjects: Mapping[str, Callable[[Cross], Subject]],
    moves: Callable[[Subject], Moves],
    budget: Budget,
    cfg: Cross,
) -> None:
    """Examine all networks under the `moves` of their images, and record the metrics ``GROUP.NETWORK.MEASURE``."""
    device = record.resolve_device(cfg.engine.device)
    for name, gather in subjects.items():
        subject = gather(cfg)
        found = list(_each(subject, moves(subject), budget, cfg, device))
        for column in dict.fromkeys(column for scores in found for column in scores):
            out.metric(f"{group}.{name}.{column}", [scores.get(column) for scores in found])


def _each(
    subject: Subject, moves: Moves, budget: Budget, cfg: Cross, device: torch.device
) -> Iterator[dict[str, float]]:
    here = replace(subject, x=_laid(subject.x, device), y=subject.y.to(device))
    for seed, network in enumerate(subject.networks):
        if network is None:
            yield {}
            continue
        teacher = subject.teachers[seed] if subject.teachers else None
        found = examined(_placed(network, device), here, moves, budget, cfg, teacher and _placed(teacher, device))
        barrier = subject.barriers[seed] if subject.barriers else None
        yield found if barrier is None else found | {"barrier": barrier}
