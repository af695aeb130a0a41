"""When to lower the learning rate, when to stop, which weights to keep: the schedule of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class PlateauRule:
    """After `patience` evaluations in a row without a new best the rate falls by `decay` and the count starts again;
    the plateau after `plateaus` of them ends the run (nix2022 Supplement A.1, D8, D9).

    ``rule="code"`` is what the authors' code does: the rate follows a scheduler that waits for the score to *fall*, so
    an accuracy that rises lowers the rate about every `patience` + 1 evaluations. Ends of runs are the same.
    ``rule="exponential"`` lowers the rate at every evaluation, never ends a run and keeps the last weights (huang2024
    2.3, D10); patience and plateaus mean nothing then.
    The rate never falls below `floor`. With `restore` a plateau also brings the best weights back (nix2022 D25).
    """

    patience: int
    decay: float
    plateaus: int
    rule: Literal["paper", "code", "exponential"] = "paper"
    floor: float = 0.0
    restore: bool = False


@dataclass
class Progress:
    """Where one run stands on its schedule; plain numbers, so that it can be saved and restored."""

    lr: float
    best: float = float("-inf")  # best score so far, higher is better
    best_step: int = 0
    since_best: int = 0
    plateaus: int = 0
    ended: str | None = None  # why the run ended: "plateaus", "steps" or a fault
    _lowest: float = field(default=float("inf"))
    _not_lower: int = 0

    def see(self, value: float, step: int, selects: Literal["accuracy", "loss"], rule: PlateauRule) -> bool:
        """Take an evaluation; returns whether it is a new best (any strict improvement counts)."""
        score = -value if selects == "loss" else value
        if rule.rule == "exponential":
            self.best, self.best_step, self.lr = score, step, max(self.lr * rule.decay, rule.floor)
            return True
        improved = score > self.best
        if improved:
            self.best, self.best_step, self.since_best = score, step, 0
        else:
            self.since_best += 1
        if rule.rule == "code":
            self._follow_the_code(value, rule)
        if self.since_best >= rule.patience:
            self.since_best = 0
            self.plateaus += 1
            if self.plateaus > rule.plateaus:
                self.ended = "plateaus"
            elif rule.rule == "paper":
                self.lr = max(self.lr * rule.decay, rule.floor)
        return improved

    def _follow_the_code(self, value: float, rule: PlateauRule) -> None:
        if value < self._lowest * (1 - 1e-4):
            self._lowest, self._not_lower = value, 0
        else:
            self._not_lower += 1
        if self._not_lower > rule.patience:
            self._not_lower = 0
            self.lr = max(self.lr * rule.decay, rule.floor)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
