"""Transfer by linear centred kernel alignment (Kornblith et al. 2019).

The authors of nix2022 ran it beside RDL; the paper names the family and prints no number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from learned_symmetry.objective import Batch, Transfer


def linear_cka(a: Tensor, b: Tensor) -> Tensor:
    """CKA of activations (n, ...) and (n, ...), in [0, 1]; 1 where one is a scaled rotation of the other.

    ||A'B||^2 / (||A'A|| ||B'B||) of the centred activations; over examples (n x n) where that is smaller.
    """
    a, b = (side.flatten(1) - side.flatten(1).mean(0) for side in (a, b))
    if a.shape[0] < min(a.shape[1], b.shape[1]):
        gram_a, gram_b = a @ a.mT, b @ b.mT
        return (gram_a * gram_b).sum() / (gram_a.norm() * gram_b.norm())
    return (a.mT @ b).square().sum() / ((a.mT @ a).norm() * (b.mT @ b).norm())


@dataclass(frozen=True)
class CKA(Transfer):
    """Sum over layers of 1 - CKA."""

    layers: tuple[str, ...] = field(default=("layer1", "layer2", "logits"), kw_only=True)

    def omega(self, student: Batch, teacher: Batch) -> Tensor:
        return sum(1 - linear_cka(student[name], teacher[name]) for name in self.layers)
