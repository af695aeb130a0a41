"""Settings of Moskalev et al. 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict
from learned_symmetry.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]
GroupName = Literal["R4", "T3"]
Form = Literal["LI", "DI", "NLI"]
Kind = Literal["WT", "DA", "IR"]


class DataSet(Strict):
    dropped_class: int = Field(ge=0, le=9)
    split_seed: NonNegativeInt
    pad: NonNegativeInt
    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt


class Model(Strict):
    layers: PositiveInt
    width: PositiveInt
    bias: bool
    pool: Literal["max", "mean"]


class Optimiser(Strict):
    lr: PositiveFloat
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    eps: PositiveFloat
    weight_decay: NonNegativeFloat


class Regulariser(Strict):
    sampling: Literal["one", "all"]
    si_target: Share
    collapsed: Share
    fixed: dict[GroupName, dict[Form, PositiveFloat]]


class Saliency(Strict):
    target: Literal["label", "predicted"]
    output: Literal["logit", "prob"]
    baseline: Literal["black", "zero"]
    threshold: Share
    kernel: PositiveInt
    sigma: PositiveFloat


class Drift(Strict):
    betas: list[Share] = Field(min_length=3)
    pairing_seed: NonNegativeInt


class Tsne(Strict):
    perplexity: PositiveFloat
    seed: NonNegativeInt


class Proposition(Strict):
    seeds: PositiveInt
    samples: PositiveInt
    times: PositiveInt


class Schedule(Strict):
    """How long one kind is trained; an evaluation of the validation images follows every `evaluate_every` epochs."""

    epochs: PositiveInt
    batch: PositiveInt
    evaluate_every: PositiveInt
    lr: PositiveFloat | None


class Tuning(Schedule):
    """The grid of weights by group and form; SI is of the first `images` validation images."""

    grid: dict[GroupName, dict[Form, Annotated[list[PositiveFloat], Field(min_length=1)]]]
    images: PositiveInt


class Evaluation(Strict):
    """How many of the test images each measure sees (null: all)."""

    images: PositiveInt | None
    saliency_images: PositiveInt
    saliency_steps: PositiveInt
    jacobian_images: PositiveInt
    drift_images: PositiveInt | None
    latent_images: PositiveInt


class Moskalev2023(Settings):
    data_set: DataSet
    model: Model
    optimiser: Optimiser
    regulariser: Regulariser
    saliency: Saliency
    drift: Drift
    tsne: Tsne
    proposition: Proposition
    seeds: PositiveInt
    validation_images: PositiveInt | None
    schedules: dict[Kind, Schedule]
    tuning: Tuning
    evaluation: Evaluation

    def verify(self) -> None:
        """Check that every kind, group and form has its settings, and the points that claims and figures need."""
        where = f"params.yaml: moskalev2023.{self.scale}"
        for kind in get_args(Kind):
            if kind not in self.schedules:
                raise UserError(f"{where}.schedules has no {kind}; add it")
        for group in get_args(GroupName):
            if group not in self.tuning.grid:
                raise UserError(f"{where}.tuning.grid has no {group}; add it")
            for form in get_args(Form):
                if form not in self.tuning.grid[group]:
                    raise UserError(f"{where}.tuning.grid.{group} has no weights for {form}; add them")
        for beta in (0.0, 0.2):
            if beta not in self.drift.betas:
                raise UserError(f"params.yaml: moskalev2023.drift.betas must hold {beta:g}, for claim M11; add it")
        if self.saliency.kernel % 2 == 0:
            raise UserError(f"params.yaml: moskalev2023.saliency.kernel = {self.saliency.kernel} must be odd; mend it")
