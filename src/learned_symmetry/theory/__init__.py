"""The statements of Bökman and Kahl 2023 as numerical checks (protocol section 3).

Each check tries its statement on many cases and says how far the worst was from it: where the statement asks for
equality the largest violation, and where it excludes something the smallest violation of what is excluded. Random cases
are drawn and small ones tried exhaustively; what must break does so on inputs that were chosen to show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator

from learned_symmetry.config.bokman2023 import Theory
from learned_symmetry.theory import actions, kernels, relu, small
from learned_symmetry.theory.check import Check


@dataclass(frozen=True)
class Statement:
    """One statement of the paper: its name there, what is tried, and the check."""

    name: str
    tried: str
    check: Callable[[Theory, Generator], Check]


STATEMENTS = {  # metric names begin with theory.KEY
    "example21": Statement("Example 2.1", "both readings of W1; random inputs", relu.example21),
    "lemma22": Statement("Lemma 2.2", "random PD; A near PD, rotations, -I, random A", relu.lemma22),
    "prop23": Statement(
        "Proposition 2.3", "all actions of S2, C3, C4, S3; rotations, signs; random W1, W2", relu.prop23
    ),
    "propb1": Statement("Proposition B.1", "exhaustive for m = 2, 3, 4: signed permutations; random A", relu.propb1),
    "examplec1": Statement("Example C.1", "one unit on a grid of weights; two units", small.examplec1),
    "examplec2": Statement("Example C.2", "symmetric filters on generated images (argued)", small.examplec2),
    "propd1": Statement("Proposition D.1", "exhaustive: small integer weights; random networks", small.propd1),
    "lemmad3": Statement(
        "Lemma D.3", "all actions of S2, C3, C4, S3, random bijections; exhaustive: S2", actions.lemmad3
    ),
    "propd4": Statement("Proposition D.4", "all actions of S2, C3, C4, S3, random maps", actions.propd4),
    "lemmae1": Statement("Lemma E.1", "random PD and offsets; biases under S3 (derived)", relu.lemmae1),
    "kernel_constraint": Statement("Equation (3)", "projected and other kernels and biases", kernels.kernel_constraint),
    "permutation_invariance": Statement("Section 3", "VGG11, random relabelling", kernels.permutation_invariance),
    "flipped_training": Statement("Section 3", "VGG11, gradient descent on mirrored images", kernels.flipped_training),
}
