"""Learning rates by step, as shares of a run's own; what depends on how a run gets on is in `plateau`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


class Schedule(ABC):
    """The share of a run's learning rate that a step is made with."""

    @abstractmethod
    def share(self, step: int) -> float:
        """Of the step that comes after `step` others."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The run's own rate in every step."""

    def share(self, step: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Rising(Schedule):
    """In the e-th period (from 1) of `every` steps min(1, (e + 1) / periods) (nix2022 D25)."""

    periods: int
    every: int  # steps

    def share(self, step: int) -> float:
        return min(1.0, (step // self.every + 2) / max(self.periods, 1))


@dataclass(frozen=True)
class Falling(Schedule):
    """Multiplied by `factor` after each `every` steps (huang2024 2.3)."""

    factor: float
    every: int  # steps

    def share(self, step: int) -> float:
        return self.factor ** (step // self.every)


@dataclass(frozen=True)
class Milestones(Schedule):
    """Multiplied by `factor` after so many steps as each of `at` says (bruintjes2023 3.4)."""

    at: tuple[int, ...]  # steps
    factor: float

    def share(self, step: int) -> float:
        return self.factor ** sum(step >= milestone for milestone in self.at)


@dataclass(frozen=True)
class Triangle(Schedule):
    """Linear from 0 to the run's own rate over `rise` steps, then linear to 0 after `steps` (bokman2023 2.4)."""

    rise: int
    steps: int

    def share(self, step: int) -> float:
        if step < self.rise:
            return step / self.rise
        return max(self.steps - step, 0) / (self.steps - self.rise)
