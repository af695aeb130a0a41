"""What a numerical check of a statement returns."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """What became of one statement.

    Attributes:
        cases: how many networks, matrices, actions or kernels were tried.
        residual: the largest violation where the statement says that there is none; 0 at best, rounding in practice.
        witness: the smallest violation where it says that there must be one; None where it says so of nothing.
        quantities: what the paper's claims read, by metric name.
    """

    cases: int
    residual: float
    witness: float | None
    quantities: dict[str, float] = field(default_factory=dict)
