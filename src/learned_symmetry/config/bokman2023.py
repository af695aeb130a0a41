"""Settings of Bökman and Kahl 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from pydantic import PositiveInt

from learned_symmetry.config import Settings, Strict


class Theory(Strict):
    draws: PositiveInt


class Bokman2023(Settings):
    theory: Theory
