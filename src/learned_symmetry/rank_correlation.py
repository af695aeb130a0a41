"""Figure 4 of Bruintjes et al. 2023: do more accurate networks have more equivariant layers?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from learned_symmetry import record
from learned_symmetry.measure.equivariance import PARTS
from learned_symmetry.report.predicate import spearman


def rank_correlations(
    out: record.Stage,
    figure: str,
    told: Mapping[str, Sequence[dict[str, dict[str, float]] | None]],
    accuracies: Mapping[str, Sequence[float | None]],
) -> None:
    """Record ``FIGURE.inv.PART`` and ``FIGURE.eqv.PART``: Spearman's correlation over networks of score and accuracy.

    `told` has `by_part` of each network, one a seed, as `accuracies` have theirs; a seed for which a network is missing
    has no correlation (Figure 4).
    """
    seeds = list(zip(*told.values(), strict=True))
    right = list(zip(*accuracies.values(), strict=True))
    for part in PARTS:
        for kind in ("inv", "eqv"):
            rho = [
                None
                if None in parts or None in accuracy
                else spearman(np.array([one[part][kind] for one in parts]), np.array(accuracy)).item()
                for parts, accuracy in zip(seeds, right, strict=True)
            ]
            out.metric(f"{figure}.{kind}.{part}", rho)
