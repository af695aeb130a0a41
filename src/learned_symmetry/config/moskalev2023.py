"""Settings of Moskalev et al. 2023. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import NINE_CLASSES
from learned_symmetry.config.types import Distinct, DistinctHundredths, Record, Some

Share = Annotated[float, Field(ge=0, le=1)]
GroupName = Literal["R4", "T3"]
Form = Literal["LI", "DI", "NLI"]
Kind = Literal["WT", "DA", "IR"]


class DataSet(Strict):
    dropped_class: Literal[9]  # the last: networks have the other nine labels as they are
    split_seed: NonNegativeInt
    pad: NonNegativeInt
    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt


class Model(Strict):
    layers: int = Field(ge=2)
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
    fixed: Some[GroupName, Some[Form, PositiveFloat]]


class Saliency(Strict):
    target: Literal["label", "predicted"]
    output: Literal["logit", "prob"]
    baseline: Literal["black", "zero"]
    threshold: Share
    kernel: PositiveInt
    sigma: PositiveFloat


class Drift(Strict):
    betas: Annotated[list[Share], Field(min_length=3), DistinctHundredths]
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

    grid: Record[GroupName, Record[Form, Annotated[list[PositiveFloat], Field(min_length=1), Distinct]]]
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
    schedules: Record[Kind, Schedule]
    tuning: Tuning
    evaluation: Evaluation

    def misfits(self) -> Iterator[Misfit]:
        """More images than there are, images that do not move in thirds, and what claims and figures need."""
        block, seen = self.data_set, self.evaluation
        asked = block.train + block.validation + block.test
        for name, there in NINE_CLASSES.items():
            if asked > there:
                why = f"makes {asked:,} images with train and validation, of {there:,} of nine classes in {name}"
                yield "data_set.test", f"{why}; lower one of them"
        if (28 + 2 * block.pad) % 3:
            yield "data_set.pad", f"makes {28 + 2 * block.pad} pixels, which T3 cannot move by thirds; mend it"
        yield from self.over(block.validation, "of data_set.validation", "validation_images", "tuning.images")
        parts = {part: f"evaluation.{part}_images" for part in ("saliency", "jacobian", "drift", "latent")}
        yield from self.over(block.test, "of data_set.test", "evaluation.images", *parts.values())
        if seen.images is not None:
            yield from self.over(seen.images, "of evaluation.images", parts["saliency"], parts["jacobian"])
        if self.tsne.perplexity >= 4 * seen.latent_images:
            yield "tsne.perplexity", f"needs more than 4 times {seen.latent_images} evaluation.latent_images; lower it"
        for beta in (0.0, 0.2):
            if beta not in self.drift.betas:
                yield "drift.betas", f"must hold {beta:g}, for claim M11; add it"
        if self.saliency.kernel % 2 == 0:
            yield "saliency.kernel", "must be odd; mend it"
