"""The statements of Bökman and Kahl 2023 as numerical checks (protocol section 3).

Each check tries its statement on many cases and says how far the worst was from it: where the statement asks for
equality the largest violation, and where it excludes something the smallest violation of what is excluded. Random cases
are drawn and small ones tried exhaustively; what must break does so on inputs that were chosen to show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator

from learned_symmetry.theory import relu
from learned_symmetry.theory.check import Check


@dataclass(frozen=True)
class Statement:
    """One statement of the paper: its name there, what is tried (`draws` cases of a kind), and the check."""

    name: str
    tried: str
    check: Callable[[int, Generator], Check]


STATEMENTS = {  # metric names begin with theory.KEY
    "example21": Statement("Example 2.1", "both readings of W1, random inputs", relu.example21),
}
