"""Settings of Nix et al. 2022. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry import transfer
from learned_symmetry.config import Misfit, Settings, Strict
from learned_symmetry.config.sizes import MNIST, MNIST1D_TEST
from learned_symmetry.config.types import Distinct, Keys, Record

Head = Literal["pooling", "linear"]
Shift = Annotated[int, Field(ge=0, le=40)]  # the limit s of the training shifts, in samples
Share = Annotated[float, Field(ge=0, le=1)]
# Asked anew each time, so that a method which is added to the table is known
Searched = Keys(lambda: transfer.METHODS)
Taught = Keys(lambda: transfer.METHODS.keys() - {"orbit"})  # Orbit's settings have a block of their own
TaughtByHead = Keys(
    lambda: [*transfer.METHODS, *(f"{method}_{head}" for method in transfer.METHODS for head in get_args(Head))]
)
TaughtOnImages = Keys(lambda: [*transfer.METHODS, "augment"])
IMAGE_METHODS = ("none", "kd", "attention", "rdl")  # rows of Tables 1 and 2


class Mnist1d(Strict):
    max_translation: PositiveInt
    validation: int = Field(gt=0, lt=4000)
    shifts_per_signal: PositiveInt


class Optimiser(Strict):
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    eps: PositiveFloat
    decay: float = Field(gt=0, lt=1)
    plateaus: NonNegativeInt
    plateau_rule: Literal["paper", "code"]


class Schedule(Strict):
    steps: PositiveInt
    batch: PositiveInt
    evaluate_every: PositiveInt
    patience: PositiveInt
    lr: PositiveFloat | None


class Schedules(Strict):
    teacher: Schedule
    orbit: Schedule
    student: Schedule
    methods: Annotated[dict[str, Schedule], TaughtByHead]  # for students that need another one
    search: Schedule

    def of(self, method: str, head: Head) -> Schedule:
        return self.methods.get(f"{method}_{head}") or self.methods.get(method) or self.student


class Training(Strict):
    lr: PositiveFloat
    weight_decay: NonNegativeFloat


class Student(Strict):
    relu_before_linear_head: bool


class Weights(Strict):
    """Weights of the terms of Orbit's first stage."""

    equiv: NonNegativeFloat
    inv: NonNegativeFloat
    group: NonNegativeFloat


class OrbitHead(Strict):
    weights: Weights
    gamma: Share


class Orbit(Strict):
    lr: PositiveFloat
    weight_decay: NonNegativeFloat
    group_term: Literal["inputs", "kernels"]
    first_layer_transform: bool
    layout: Literal["flat", "channels"]
    pooling: OrbitHead
    linear: OrbitHead


class ImageOptimiser(Strict):
    """Adam's betas and eps are those of `Optimiser`; a plateau is counted in epochs."""

    lr: PositiveFloat
    weight_decay: NonNegativeFloat
    decay: float = Field(gt=0, lt=1)
    plateaus: NonNegativeInt
    floor: NonNegativeFloat
    restore: bool


class ImageWeights(Weights):
    ce: NonNegativeFloat


class ImageOrbit(Strict):
    order: int = Field(ge=2)
    size: PositiveInt
    std: PositiveFloat
    n_max: PositiveInt
    clamp: bool
    detach: bool
    first_layer_transform: Record[Literal["cnn_mlp", "resnet_vit"], bool]
    weights: ImageWeights
    gamma: Share


class Hinge(Strict):
    weight: NonNegativeFloat
    margin: PositiveFloat


class ImageAffine(Strict):
    """Orbit by affine transforms, under rotations."""

    order: int = Field(ge=2)
    init: Literal["inplane", "identity", "all_axes"]
    clamp: bool
    detach: bool
    hinge: Hinge
    weights: ImageWeights
    gamma: Share


class ImageSchedule(Strict):
    """How long, at which learning rate (null: the optimiser's), on how many images for training and for validation
    (null: all)."""

    images: PositiveInt | None
    valid: PositiveInt | None
    epochs: PositiveInt
    batch: PositiveInt
    warmup: NonNegativeInt
    patience: PositiveInt
    lr: PositiveFloat | None


class Ablation(Strict):
    seeds: PositiveInt
    orbit: ImageSchedule
    student: ImageSchedule


class TestImages(Strict):
    """How many images, the first of the test set, a network is tested on (null: all)."""

    teacher: PositiveInt | None
    student: PositiveInt | None


class ImageSetting(Strict):
    """The schedules of one teacher and student."""

    teacher: ImageSchedule
    orbit: ImageSchedule
    student: ImageSchedule
    methods: Annotated[dict[str, ImageSchedule], TaughtOnImages]  # for students that need another one
    ablation: Ablation | None
    test_images: TestImages

    def of(self, method: str) -> ImageSchedule:
        return self.methods.get(method, self.student)


class ImageSettings(Strict):
    validation: float = Field(gt=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    optimiser: ImageOptimiser
    orbit: ImageOrbit
    affine: ImageAffine
    seeds: PositiveInt
    cnn_channels: list[PositiveInt] = Field(min_length=3, max_length=3)
    resnet_width: PositiveInt
    gcnn_channels: list[PositiveInt] = Field(min_length=3, max_length=3)
    settings: Record[Literal["cnn_mlp", "resnet_vit", "gcnn_mlp"], ImageSetting]


class MethodHead(BaseModel):
    """A method's settings for one head; keys beyond these three are its own, and `transfer.method` checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float]
    gamma: Share
    lr: PositiveFloat
    weight_decay: NonNegativeFloat


class Method(MethodHead):
    """The values of the pooling head, and under `linear` those of the linear head."""

    linear: MethodHead
    images: dict[str, float] | None = None

    def head(self, name: Head) -> MethodHead:
        return self.linear if name == "linear" else self


class Search(Strict):
    """Which settings of which methods are tried; a method's grid has a list for each of its hyper-parameters."""

    shift: Shift
    head: Head
    seeds: PositiveInt
    methods: Annotated[dict[str, dict[str, Annotated[list[NonNegativeFloat], Field(min_length=1), Distinct]]], Searched]


class Lemma1(Strict):
    shift: Shift
    signals: PositiveInt
    rotations: PositiveInt


class Nix2022(Settings):
    seeds: PositiveInt
    shifts: Annotated[list[Shift], Field(min_length=1), Distinct]
    heads: Annotated[list[Head], Field(min_length=1), Distinct]
    teacher_per: Literal["shift", "seed"]
    schedules: Schedules
    mnist1d: Mnist1d
    optimiser: Optimiser
    teacher: Training
    student: Student
    orbit: Orbit
    methods: Annotated[dict[str, Method], Taught]
    search: Search
    lemma1: Lemma1
    images: ImageSettings

    def misfits(self) -> Iterator[Misfit]:
        """Teachers that are missing, more images than there are, and each method's own keys.

        Apart from loading, because those need the methods and with them torch; they raise `UserError` themselves.
        """
        yield from self._untaught()
        yield from self._images()
        yield from self.over(MNIST1D_TEST, "test signals of MNIST-1D", "lemma1.signals")
        for name, block in self.methods.items():
            for head, where in {"pooling": name, "linear": f"{name}.linear"}.items():  # also one that is not trained
                transfer.method(name, block.head(head).model_dump(), where=f"nix2022.methods.{where}")
            if block.images is not None:
                transfer.method(name, block.images, where=f"nix2022.methods.{name}.images")
        for name, grid in self.search.methods.items():
            where = f"nix2022.{self.scale}.search.methods.{name}"
            transfer.check_keys(name, grid, {"lr", "weight_decay"}, where)
            for key, values in grid.items():
                for value in values:
                    transfer.check_value(key, value, where)

    def _untaught(self) -> Iterator[Misfit]:
        """Students for whom no teacher is trained, and tables without students."""
        for key in ("search.shift", "lemma1.shift") if self.teacher_per == "shift" else ():
            if self.at(key) not in self.shifts:
                yield key, f"has no teacher: shifts are {self.shifts}; add it to them, or take one of them"
        yield from self.over(self.seeds, "of seeds, which have a teacher", "search.seeds")
        for name in IMAGE_METHODS:
            if name not in self.methods:
                yield "methods", f"lacks {name}, which Tables 1 and 2 have; add it"
            elif self.methods[name].images is None:
                yield f"methods.{name}.images", "is needed for Tables 1 and 2; add it"
        if self.images.settings["cnn_mlp"].ablation is None:
            yield "images.settings.cnn_mlp.ablation", "is needed for Table 6; add it"
        else:
            key = "images.settings.cnn_mlp.ablation.seeds"
            yield from self.over(self.images.seeds, "of images.seeds, which have a teacher", key)

    def _images(self) -> Iterator[Misfit]:
        """More images than MNIST has."""
        held = round(self.images.validation * MNIST["train"])
        if not 0 < held < MNIST["train"]:
            yield "images.validation", f"leaves {held} of MNIST's {MNIST['train']:,} images for validation; mend it"
        for name, setting in self.images.settings.items():
            here = f"images.settings.{name}"
            schedules = ["teacher", "orbit", "student", *(f"methods.{method}" for method in setting.methods)]
            schedules += ["ablation.orbit", "ablation.student"] if setting.ablation else []
            images, valid = ([f"{here}.{schedule}.{part}" for schedule in schedules] for part in ("images", "valid"))
            yield from self.over(MNIST["train"] - held, "training images of MNIST beside images.validation", *images)
            yield from self.over(held, "images of MNIST that images.validation holds out", *valid)
            tested = [f"{here}.test_images.{who}" for who in ("teacher", "student")]
            yield from self.over(MNIST["test"], "test images of MNIST", *tested)
