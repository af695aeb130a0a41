"""When to lower the learning rate, when to stop, which weights to keep: the schedule of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class PlateauRule:
    """After `patience` evaluations in a row without a new best the rate falls by `decay` and the count starts again;
    the plateau after `plateaus` of them ends the run, whose best weights are kept (nix2022 Supplement A.1, D8, D9).

    ``rule="code"`` is what the authors' code does: the rate follows a scheduler that waits for the score to *fall*, so
    an accuracy that rises lowers the rate about every `patience` + 1 evaluations. Ends of runs are the same.
    The rate never falls below `floor`. With `restore` a plateau also brings the best weights back (nix2022 D25).
    """

    patience: int
    decay: float
    plateaus: int
    rule: Literal["paper", "code"] = "paper"
    floor: float = 0.0
    restore: bool = False


# The evaluation whose weights are kept: the best or the last of all steps, or the best until plateaus end the run
Keep = PlateauRule | Literal["best", "last"]


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

    def see(self, value: float, step: int, selects: Literal["accuracy", "loss"], keep: Keep) -> bool:
        """Take an evaluation; returns whether its weights are to be kept: a strictly better one's, or the last's."""
        score = -value if selects == "loss" else value
        improved = score > self.best or keep == "last"
        if improved:
            self.best, self.best_step, self.since_best = score, step, 0
        else:
            self.since_best += 1
        if isinstance(keep, PlateauRule):
            self._follow(value, keep)
        return improved

    def _follow(self, value: float, rule: PlateauRule) -> None:
        if rule.rule == "code":
            self._follow_the_code(value, rule)
        if self.since_best >= rule.patience:
            self.since_best = 0
            self.plateaus += 1
            if self.plateaus > rule.plateaus:
                self.ended = "plateaus"
            elif rule.rule == "paper":
                self.lr = max(self.lr * rule.decay, rule.floor)

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
