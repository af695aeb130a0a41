"""Settings of Nix et al. 2022. Sources and units stand beside the values in ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from learned_symmetry.config import Settings, Strict

Head = Literal["pooling", "linear"]
Shift = Annotated[int, Field(ge=0, le=40)]  # the limit s of the training shifts, in samples
Share = Annotated[float, Field(ge=0, le=1)]


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
    methods: dict[str, Schedule]  # by METHOD or METHOD_HEAD, for students that need another one
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
    first_layer_transform: dict[Literal["cnn_mlp", "resnet_vit"], bool]
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
    methods: dict[str, ImageSchedule]  # for students that need another one
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
    settings: dict[Literal["cnn_mlp", "resnet_vit", "gcnn_mlp"], ImageSetting]


class MethodHead(BaseModel):
    """A method's settings for one head; keys beyond these three are its own, and `transfer.method` checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
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
    methods: dict[str, dict[str, Annotated[list[NonNegativeFloat], Field(min_length=1)]]]


class Lemma1(Strict):
    shift: Shift
    signals: PositiveInt
    rotations: PositiveInt


class Nix2022(Settings):
    seeds: PositiveInt
    shifts: list[Shift] = Field(min_length=1)
    heads: list[Head] = Field(min_length=1)
    teacher_per: Literal["shift", "seed"]
    schedules: Schedules
    mnist1d: Mnist1d
    optimiser: Optimiser
    teacher: Training
    student: Student
    orbit: Orbit
    methods: dict[str, Method]
    search: Search
    lemma1: Lemma1
    images: ImageSettings

    def verify(self) -> None:
        """Check each method's own keys; apart from loading, because it imports the methods and with them torch."""
        from learned_symmetry import transfer

        for name, block in self.methods.items():
            for head in self.heads:
                transfer.method(name, block.head(head).model_dump(), where=f"nix2022.methods.{name}")
            if block.images is not None:
                transfer.method(name, block.images, where=f"nix2022.methods.{name}.images")
        for name, grid in self.search.methods.items():
            where = f"nix2022.{self.scale}.search.methods.{name}"
            transfer.check_keys(name, grid, {"lr", "weight_decay"}, where)
            for key, values in grid.items():
                for value in values:
                    transfer.check_value(key, value, where)
