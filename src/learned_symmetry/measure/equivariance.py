"""How far each layer's channels are in- or equivariant (Bruintjes et al. 2023, Section 3; protocol 2).

At a layer f, for an input x and an element g, let A = f(T_g x) and B = T_g f(x). Channel c is invariant as far as A_c
correlates over positions with B_c, and equivariant as far as it correlates with the B_c' that fits best. The printed
Eq. 4 lacks T_g on its right side; what it is compared with here is what Sections 3.2 and 4 ask for.

Features without positions (after pooling, and the logits) are correlated over inputs instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from learned_symmetry.groups import Moves
from learned_symmetry.models import Network, watch

PARTS = ("early", "middle", "late", "pool", "final")
Match = Literal["mean", "sample"]
View = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scores:
    """One layer's scores, one an element (float64, on the CPU); NaN for an element of which no pair is defined.

    Attributes:
        inv: mean over inputs, then over channels, of the correlation of A_c with B_c.
        eqv: mean over channels of the largest correlation with a B_c'. ``mean``: the largest of the means over inputs,
            one partner for all of them. ``sample``: the largest for every single input, Eq. 7 to the letter, which is
            biased upwards by noise where channels are many and positions few.
        undefined: share of the pairs (A_c, B_c) that are left out, because one of the two is constant.
    """

    inv: Tensor
    eqv: dict[Match, Tensor]
    undefined: Tensor


@dataclass(frozen=True)
class Similarity:
    """What two maps are compared by.

    Attributes:
        centred: Pearson's correlation; else the cosine, which follows the maps' means (Figure 2).
        constant: a map whose norm, after centring, is not above this is constant, and compared with nothing.
        pooled: features without positions are correlated over ``samples``, channel by channel, or over ``channels``,
            input by input, where no channel can stand in for another.
    """

    constant: float
    centred: bool = True
    pooled: Literal["samples", "channels"] = "samples"

    def standardised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (n, c, *space), centred and of norm 1, and which (n, c) are not constant; those that are become 0."""
        flat = x.flatten(2)
        raw = torch.linalg.vector_norm(flat, dim=-1)
        norm = raw
        if self.centred:
            flat = flat - flat.mean(-1, keepdim=True)
            norm = torch.linalg.vector_norm(flat, dim=-1)
        varies = self.varies(norm, raw, 8 * torch.finfo(x.dtype).eps)
        return (flat * (varies / norm.where(varies, 1)).unsqueeze(-1)).view_as(x), varies

    def varies(self, norm: Tensor, raw: Tensor, rounding: float) -> Tensor:
        """Whether what is left of norm `raw` after centring is above `constant`, and more than `rounding` error."""
        return norm > (rounding * raw).clamp_min(self.constant)


@torch.no_grad()
def equivariance(
    network: nn.Module | Network,
    batches: Iterable[Tensor],
    moves: Moves,
    layers: Mapping[str, int],
    similarity: Similarity,
    *,
    elements: Sequence[int] | None = None,
    view: View = lambda activation: activation,
) -> dict[str, Scores]:
    """Scores of each of `layers`, given as name -> stride, for the `elements` of `moves` (all but the identity).

    Inputs (n, ...) come in batches and pass through with their moved copies, 1 + elements at once; each layer becomes
    sums as soon as it is computed. `view` gives activations the shape (n, c, *space), or (n, c) without positions.
    The sums of a layer take 16 bytes for each pair of channels and element: measure the widest in several calls.
    Raises KeyError for a layer that the network does not run, and what `watch` raises.
    """
    (network.module if isinstance(network, Network) else network).eval()
    elements = tuple(range(1, moves.order)) if elements is None else tuple(elements)
    sums: dict[str, _Sums] = {}

    def take(name: str, activation: Tensor) -> None:
        if name not in layers:
            return
        maps = view(activation).unflatten(0, (1 + len(elements), -1))  # (1 + elements, n, c, *space)
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        if name not in sums:
            kind = _Maps if maps.dim() > 3 else _Channels if similarity.pooled == "channels" else _Samples
            sums[name] = kind(moves, layers[name], elements, similarity)
        sums[name].add(maps[0], maps[1:])

    for x in batches:
        watch(network, torch.cat([x, *(moves.act(x, g) for g in elements)]), layers, take)
    return {name: sums[name].scores() for name in layers}


def parts(layers: Iterable[str]) -> dict[str, list[str]]:
    """Layers in their order cut into three alike, longer first, and ``pool`` and ``logits`` apart (protocol 2.6).

    Parts without a layer are left out.
    """
    layers = list(layers)
    maps = [name for name in layers if name not in ("pool", "logits")]
    cut = [part.tolist() for part in np.array_split(maps, 3)]
    cut += [[name] if name in layers else [] for name in ("pool", "logits")]
    return {part: names for part, names in zip(PARTS, cut, strict=True) if names}


def by_part(scores: Mapping[str, Scores], match: Match) -> dict[str, dict[str, float]]:
    """``{part: {"inv", "eqv", "undefined"}}``: means over elements, then over the layers of a part."""

    def over(names: list[str], value: Callable[[Scores], Tensor]) -> float:
        return torch.stack([value(scores[name]).nanmean() for name in names]).nanmean().item()

    return {
        part: {
            "inv": over(names, lambda s: s.inv),
            "eqv": over(names, lambda s: s.eqv[match]),
            "undefined": over(names, lambda s: s.undefined),
        }
        for part, names in parts(scores).items()
    }


class _Sums:
    """What is kept of a layer between batches: sums in float64, one an element."""

    def __init__(self, moves: Moves, stride: int, elements: Sequence[int], similarity: Similarity) -> None:
        self.moves, self.stride, self.elements, self.similarity = moves, stride, elements, similarity
        self.sums: dict[str, Tensor] = {}

    def add(self, still: Tensor, moved: Tensor) -> None:
        """Count in f(x), (n, c, *space), and f(T_g x) for each element, (elements, n, c, *space)."""
        raise NotImplementedError

    def scores(self) -> Scores:
        raise NotImplementedError

    def plus(self, k: int, **terms: Tensor) -> None:
        for name, term in terms.items():
            if name not in self.sums:
                shape = len(self.elements), *term.shape
                self.sums[name] = torch.zeros(shape, dtype=torch.float64, device=term.device)
            self.sums[name][k] += term


class _Maps(_Sums):
    """Correlations over positions: all channel pairs of an input are one product of standardised maps."""

    def add(self, still: Tensor, moved: Tensor) -> None:
        once = self.similarity.standardised(still) if self.moves.permutes else None
        for k, g in enumerate(self.elements):
            pair = self.moves.aligned(once[0] if once else still, moved[k], g, self.stride)
            if pair is None:
                continue
            b, b_varies = (pair[0], once[1]) if once else self.similarity.standardised(pair[0])
            a, a_varies = self.similarity.standardised(pair[1])
            pearson = a.flatten(2) @ b.flatten(2).mT  # (n, c, c'); 0 where undefined
            total = pearson.sum(0)
            if not b_varies.all():
                pearson = pearson.masked_fill(~b_varies.unsqueeze(1), -torch.inf)
            best, found = pearson.amax(-1), a_varies & b_varies.any(-1, keepdim=True)
            self.plus(
                k,
                total=total,
                pairs=a_varies.double().mT @ b_varies.double(),
                best=best.where(found, 0).sum(0),
                found=found.sum(0),
                undefined=(~(a_varies & b_varies)).double().mean(-1).sum(),
                inputs=torch.tensor(len(a)),
            )

    def scores(self) -> Scores:
        if not self.sums:
            nothing = torch.full((len(self.elements),), torch.nan, dtype=torch.float64)
            return Scores(nothing, {"mean": nothing, "sample": nothing}, nothing)
        sums = {name: total.cpu() for name, total in self.sums.items()}
        mean = sums["total"] / sums["pairs"]  # (elements, c, c'); NaN where no input defines it
        return Scores(
            inv=mean.diagonal(dim1=-2, dim2=-1).nanmean(-1),
            eqv={"mean": _largest(mean).nanmean(-1), "sample": (sums["best"] / sums["found"]).nanmean(-1)},
            undefined=sums["undefined"] / sums["inputs"],
        )


class _Samples(_Sums):
    """Correlations over inputs, from sums of products."""

    def add(self, still: Tensor, moved: Tensor) -> None:
        b = still.double()
        for k, a in enumerate(moved.double()):
            squares = {"a2": a.square().sum(0), "b2": b.square().sum(0), "ab": a.mT @ b}
            self.plus(k, a=a.sum(0), b=b.sum(0), inputs=torch.tensor(len(a)), **squares)

    def scores(self) -> Scores:
        n = self.sums["inputs"].unsqueeze(-1)
        a, b, a2, b2, ab = (self.sums[name].cpu() for name in ("a", "b", "a2", "b2", "ab"))
        raw = a2.sqrt(), b2.sqrt()
        if self.similarity.centred:
            a2, b2, ab = a2 - a.square() / n, b2 - b.square() / n, ab - (a / n).unsqueeze(-1) * b.unsqueeze(-2)
        a_norm, b_norm = a2.clamp_min(0).sqrt(), b2.clamp_min(0).sqrt()
        # Neither float32 features nor differences of sums of squares tell less than this from a constant
        a_varies, b_varies = (self.similarity.varies(*norms, 1e-6) for norms in zip((a_norm, b_norm), raw, strict=True))
        both = a_varies.unsqueeze(-1) & b_varies.unsqueeze(-2)
        pearson = (ab / (a_norm.unsqueeze(-1) * b_norm.unsqueeze(-2))).where(both, torch.nan)  # (elements, c, c')
        eqv = _largest(pearson).nanmean(-1)
        undefined = 1 - (a_varies & b_varies).double().mean(-1)
        return Scores(pearson.diagonal(dim1=-2, dim2=-1).nanmean(-1), {"mean": eqv, "sample": eqv}, undefined)


class _Channels(_Sums):
    """Correlations over channels: one number an input, and invariance is all that can be asked for."""

    def add(self, still: Tensor, moved: Tensor) -> None:
        b, b_varies = self.similarity.standardised(still.unsqueeze(1))  # the channels take the place of positions
        for k, one in enumerate(moved):
            a, a_varies = self.similarity.standardised(one.unsqueeze(1))
            self.plus(k, total=(a * b).sum(), both=(a_varies & b_varies).sum(), inputs=torch.tensor(len(a)))

    def scores(self) -> Scores:
        total, both, inputs = (self.sums[name].cpu() for name in ("total", "both", "inputs"))
        return Scores(total / both, {"mean": total / both, "sample": total / both}, 1 - both / inputs)


def _largest(pearson: Tensor) -> Tensor:
    """The largest over the last axis, NaN left out; NaN where there is nothing else."""
    largest = pearson.nan_to_num(nan=-torch.inf).amax(-1)
    return largest.where(largest.isfinite(), torch.nan)
