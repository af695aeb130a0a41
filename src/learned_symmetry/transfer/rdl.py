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


def unit_rows(activation: Tensor) -> Tensor:
    """Activations (n, ...) -> (n, d): centred over the batch, each row at unit length."""
    flat = activation.flatten(1)
    return F.normalize(flat - flat.mean(0), dim=1)


def similarity(activation: Tensor) -> Tensor:
    """R(Z): cosines between the centred activations of each two examples, (n, n), ones on the diagonal."""
    rows = unit_rows(activation)
    return rows @ rows.mT


def gram(rows: Tensor) -> Tensor:
    """Z'Z (d, d) of Z (n, d) by halves of its columns: the product's lower left is its upper right, turned over."""
    a, b = rows.tensor_split(2, dim=1)
    across = a.mT @ b
    return torch.cat([torch.cat([a.mT @ a, across], 1), torch.cat([across.mT, b.mT @ b], 1)])


class _GramGap(torch.autograd.Function):
    """||ZZ' - RR'||_F^2 / n^2 for Z (n, d) and fixed R (n, e), without an n x n matrix where n > d, e.

    ||ZZ'||^2 - 2 ||ZR'||^2 + ||RR'||^2 in terms of Z'Z and Z'R, and the gradient 4 (Z Z'Z - R R'Z) / n^2 by hand:
    five products of d x n x d where autograd over n x n matrices needs four of n x n x d and n x n traffic.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        zz, rz = gram(z), r.mT @ z  # (d, d), (e, d)
        gap = zz.square().sum() - 2 * rz.square().sum() + gram(r).square().sum()
        return gap / z.shape[0] ** 2, zz, rz

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1], output[2])
        ctx.mark_non_differentiable(output[1], output[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        z, r, zz, rz = ctx.saved_tensors
        return grad * (4 / z.shape[0] ** 2) * (z @ zz - r @ rz), None


def gram_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the two n x n similarity matrices; no gradient reaches `teacher`."""
    z, r = unit_rows(student), unit_rows(teacher)
    if z.shape[0] > max(z.shape[1], r.shape[1]):
        return _GramGap.apply(z, r.detach())[0]
    return F.mse_loss(z @ z.mT, (r @ r.mT).detach())


@dataclass(frozen=True)
class RDL(Transfer):
    """Match the similarity matrices of both hidden layers and of the logits (nix2022 D15)."""

    layers: tuple[str, ...] = field(default=("layer1", "layer2", "logits"), kw_only=True)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        return sum(gram_gap(student[name], teacher[name]) for name in self.layers)
