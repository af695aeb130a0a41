"""One run's schedule, on score sequences made by hand (nix2022 Supplement A.1, D8, D9)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, Literal

import pytest
import torch

from learned_symmetry.plateau import PlateauRule, Progress

LR = 0.01


def follow(
    values: Sequence[float],
    rule: PlateauRule,
    selects: Literal["accuracy", "loss"] = "accuracy",
    progress: Progress | None = None,
) -> tuple[Progress, list[bool], list[float]]:
    """Feed values, one every 100 steps, until the run ends: progress, which were new bests, the rate after each."""
    progress = progress or Progress(lr=LR)
    improved, rates = [], []
    for number, value in enumerate(values, start=1):
        improved.append(progress.see(value, 100 * number, selects, rule))
        rates.append(progress.lr)
        if progress.ended:
            break
    return progress, improved, rates


def rule(patience: int = 2, decay: float = 0.8, plateaus: int = 5, **changed: Any) -> PlateauRule:
    return PlateauRule(patience, decay, plateaus, **changed)


def test_the_best_is_kept_and_only_a_strict_improvement_is_one() -> None:
    progress, improved, _ = follow([0.2, 0.5, 0.5, 0.4, 0.6, 0.6], rule(patience=9))
    assert improved == [True, True, False, False, True, False]
    assert (progress.best, progress.best_step, progress.since_best) == (0.6, 500, 1)


def test_a_loss_is_better_when_it_is_lower() -> None:
    progress, improved, _ = follow([3.0, 2.0, 2.5, -1.0], rule(patience=9), "loss")
    assert improved == [True, True, False, True]
    assert (progress.best, progress.best_step) == (1.0, 400)  # the score is minus the loss


def test_a_first_value_is_a_best_however_bad() -> None:
    assert follow([0.0], rule())[1] == [True]
    assert follow([1e30], rule(), "loss")[1] == [True]


def test_the_rate_falls_after_patience_values_without_a_best() -> None:
    values = [0.5, 0.4, 0.4, 0.4, 0.5, 0.6, 0.1, 0.7]
    #         best       fall      fall best      best
    _, _, rates = follow(values, rule(patience=2))
    steps = [0, 0, 1, 1, 2, 2, 2, 2]
    assert rates == pytest.approx([LR * 0.8**fallen for fallen in steps])


def test_a_new_best_and_a_plateau_both_set_the_count_back() -> None:
    progress, _, rates = follow([0.5, 0.4, 0.4, 0.6, 0.4, 0.4], rule(patience=3))
    assert (progress.since_best, progress.plateaus, rates[-1]) == (2, 0, LR)
    progress, _, _ = follow([0.4], rule(patience=3), progress=progress)
    assert (progress.since_best, progress.plateaus) == (0, 1)


@pytest.mark.parametrize("name", ["paper", "code"])
def test_the_sixth_plateau_ends_the_run_and_lowers_nothing(name: Literal["paper", "code"]) -> None:
    progress, improved, rates = follow([0.5] * 100, rule(patience=3, rule=name))
    assert len(improved) == 1 + 6 * 3
    assert (progress.ended, progress.plateaus) == ("plateaus", 6)
    if name == "paper":
        assert rates[-1] == pytest.approx(LR * 0.8**5)
        assert rates[-2] == rates[-1]  # the sixth plateau itself no longer counts for the rate


@pytest.mark.parametrize("name", ["paper", "code"])
def test_the_rate_does_not_fall_below_the_floor(name: Literal["paper", "code"]) -> None:
    """From 0.01 by halves to the floor; plateaus go on, and end the run as without one."""
    _, improved, rates = follow([0.5] * 100, rule(2, 0.5, 9, rule=name, floor=0.003))
    assert list(dict.fromkeys(rates)) == [0.01, 0.005, 0.003]
    assert len(improved) == 1 + 10 * 2
    _, _, rates = follow([0.5] * 100, rule(2, 0.5, 9, rule=name))
    assert rates[-1] < 2e-4


def test_no_plateau_allowed_ends_at_the_first() -> None:
    assert len(follow([0.5] * 9, rule(patience=3, plateaus=0))[1]) == 1 + 3


def test_all_steps_may_count_and_the_best_or_the_last_be_kept() -> None:
    accuracies = [0.5, 0.9, 0.1, 0.9]
    best, last = Progress(LR), Progress(LR)
    assert [best.see(value, step, "accuracy", "best") for step, value in enumerate(accuracies)] == [1, 1, 0, 0]
    assert [last.see(value, step, "accuracy", "last") for step, value in enumerate(accuracies)] == [1, 1, 1, 1]
    assert (best.best, best.best_step, best.lr, best.plateaus, best.ended) == (0.9, 1, LR, 0, None)
    assert (last.best, last.best_step, last.lr, last.plateaus, last.ended) == (0.9, 3, LR, 0, None)


def sequences() -> list[list[float]]:
    """Rising, flat and noisy accuracies, with steps just under and over the scheduler's threshold of 1e-4."""
    noise = random.Random(0)
    return [
        [min(0.9, 0.1 + 0.01 * n) for n in range(80)],
        [0.5] * 80,
        [0.5 + 0.3 * noise.random() for _ in range(80)],
        [0.5] + [0.5 * (1 - 0.00009)] * 79,
        [0.5] + [0.5 * (1 - 0.00011)] * 79,
    ]


@pytest.mark.parametrize("values", sequences(), ids=["rising", "flat", "noisy", "falls too little", "falls enough"])
@pytest.mark.parametrize("patience", [1, 4, 20])
@pytest.mark.parametrize("selects", ["accuracy", "loss"])
def test_the_codes_rule_is_pytorchs_scheduler_waiting_for_a_fall(
    values: list[float], patience: int, selects: Literal["accuracy", "loss"]
) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, mode="min", factor=0.8, patience=patience)
    theirs = []
    for value in values:
        scheduler.step(value)
        theirs.append(optimiser.param_groups[0]["lr"])
    _, _, ours = follow(values, rule(patience=patience, plateaus=10**6, rule="code"), selects)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_the_codes_rule_lowers_the_rate_of_a_rising_accuracy_and_the_papers_does_not() -> None:
    rising = [n / 100 for n in range(50)]
    assert follow(rising, rule(patience=20))[2][-1] == LR
    assert follow(rising, rule(patience=20, rule="code"))[2][-1] == pytest.approx(LR * 0.8**2)  # about every 21


@pytest.mark.parametrize("name", ["paper", "code"])
@pytest.mark.parametrize("cut", [0, 1, 7, 23])
def test_saved_and_restored_it_goes_on_as_if_nothing_had_been(name: Literal["paper", "code"], cut: int) -> None:
    values, how = sequences()[2], rule(patience=4, rule=name)
    whole, _, rates = follow(values, how)
    first, _, _ = follow(values[:cut], how)
    kept = first.as_dict()
    assert all(isinstance(value, (int, float, str, type(None))) for value in kept.values())
    restored = Progress(**kept)
    for number, value in enumerate(values[cut : len(rates)], start=cut + 1):
        restored.see(value, 100 * number, "accuracy", how)
        assert restored.lr == rates[number - 1]
    assert restored == whole
    assert math.isfinite(restored.best)
