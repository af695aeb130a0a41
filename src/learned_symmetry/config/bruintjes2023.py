"""Settings of Bruintjes et al. 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("a filter has a centre where its size is odd")
    return size


class Measure(Strict):
    match: Literal["mean", "sample"]
    constant: float = Field(ge=0)


class Controlled(Strict):
    layers: PositiveInt
    kernel: Annotated[PositiveInt, AfterValidator(_odd)]
    sigmas: list[PositiveFloat] = Field(min_length=1)
    sigma: PositiveFloat
    cut: PositiveInt
    size: PositiveInt
    images: PositiveInt


class Bruintjes2023(Settings):
    seeds: PositiveInt
    measure: Measure
    controlled: Controlled
