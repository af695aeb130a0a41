"""Representational distance learning (McClure and Kriegeskorte 2016; nix2022 Section 4.2).

The student copies which examples of a batch the teacher finds alike, layer by layer, not the activations themselves.
An orthogonal map of the features goes unseen (nix2022 Lemma 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.objective import Batch, Transfer

SHORTEST = 1e-12  # length that a row is divided by
HALVED = 256  # rows: from here on two smaller products and one of another shape are faster than one


def unit_rows(activation: Tensor) -> Tensor:
    """Activations (n, ...) -> (n, d): centred over the batch, each row at unit length."""
    flat = activation.flatten(1)
    return F.normalize(flat - flat.mean(0), dim=1, eps=SHORTEST)


def similarity(activation: Tensor) -> Tensor:
    """R(Z): cosines between the centred activations of each two examples, (n, n), ones on the diagonal."""
    rows = unit_rows(activation)
    return rows @ rows.mT


def _products(z: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """EZ (n, d) and ||E||_F^2 of E = ZZ' - RR' (n, n), for Z (n, d) and R (n, e).

    By halves of the rows: E's lower left is its upper right, turned over. Blocks that small stay in cache.
    """
    if len(z) < HALVED:
        e = torch.addmm(z @ z.mT, r, r.mT, alpha=-1)
        return e @ z, e.square().sum()
    (z1, z2), (r1, r2) = z.tensor_split(2), r.tensor_split(2)
    across = torch.addmm(z1 @ z2.mT, r1, r2.mT, alpha=-1)
    (ez1, square1), (ez2, square2) = _products(z1, r1), _products(z2, r2)
    ez = torch.cat([torch.addmm(ez1, across, z2), torch.addmm(ez2, across.mT, z1)])
    return ez, square1 + square2 + 2 * across.square().sum()


def _square(z: Tensor) -> Tensor:
    """||ZZ'||_F^2."""
    if len(z) < HALVED:
        return (z @ z.mT).square().sum()
    a, b = z.tensor_split(2)
    return _square(a) + _square(b) + 2 * (a @ b.mT).square().sum()


class _GramGap(torch.autograd.Function):
    """||ZZ' - RR'||_F^2 / n^2 for Z (n, d), the unit rows of A, and fixed R (n, e); with its gradient 4 EZ / n^2.

    E = ZZ' - RR'; where n is large without an n x n matrix: ||E||^2 = ||Z'Z||^2 - 2 ||R'Z||^2 + ||R'R||^2 and
    EZ = Z Z'Z - R R'Z. Autograd over n x n matrices makes twice the multiplications, and twice the passes over n x d.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z = a - a.mean(0)
        per_length = z.norm(dim=1, keepdim=True).clamp(min=SHORTEST).reciprocal()
        z *= per_length
        if _by_examples(len(a), a.shape[1], r.shape[1]):
            ez, square = _products(z, r)
        else:
            rz = r.mT @ z
            ez, square = _products(z.mT, z.new_empty(z.shape[1], 0))
            ez = torch.addmm(ez.mT, r, rz, alpha=-1)
            square = square - 2 * rz.square().sum() + _square(r.mT)
        return square / len(a) ** 2, z, per_length, ez

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        z, per_length, ez = ctx.saved_tensors
        along = (ez * z).sum(1, keepdim=True)  # a row's length is fixed
        to_a = torch.addcmul(ez, z, along, value=-1).mul_(per_length * (grad * 4 / len(z) ** 2))
        return to_a.sub_(to_a.mean(0)), None


def _by_examples(n: int, d: int, e: int) -> bool:
    """Whether the n x n form has fewer multiplications; halves of halves spare 3/8 of a symmetric product's."""
    return n * n * (5 / 8 * (d + e) + d) < n * (5 / 8 * (d * d + e * e) + 2 * d * e + d * d)


def gram_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the two n x n similarity matrices; no gradient reaches `teacher`."""
    with torch.no_grad():
        rows = unit_rows(teacher)
    return _GramGap.apply(student.flatten(1), rows)[0]


@dataclass(frozen=True)
class RDL(Transfer):
    """Match the similarity matrices of both hidden layers and of the logits (nix2022 D15)."""

    layers: tuple[str, ...] = field(default=("layer1", "layer2", "logits"), kw_only=True)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        return sum(gram_gap(student[name], teacher[name]) for name in self.layers)
