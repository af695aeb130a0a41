"""AdamW, clipped gradients and a rate that falls at every evaluation, against PyTorch's own loop."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from learned_symmetry.fit import Recipe, Run, fit
from learned_symmetry.models import seeded
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.plateau import PlateauRule, Progress
from learned_symmetry.rng import generator

STEPS, EVERY, DECAY = 6, 2, 0.5


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize("stack", ["always", "never"])
def test_training_is_pytorchs(decoupled: bool, stack: Literal["always", "never"], tmp_path: Path) -> None:
    stream = generator(0, "data")
    data = {"x": 5 * torch.randn(8, 4, generator=stream), "y": torch.randint(3, (8,), generator=stream)}
    networks = [seeded(lambda: nn.Linear(4, 3), generator(seed, "network")) for seed in range(2)]
    runs = [
        Run(f"seed{seed}", seed, copy.deepcopy(network), CrossEntropy(), data, data, lr=0.1, weight_decay=0.3)
        for seed, network in enumerate(networks)
    ]
    recipe = Recipe(
        steps=STEPS,
        batch=8,
        evaluate_every=EVERY,
        plateau=PlateauRule(patience=1, decay=DECAY, plateaus=0, rule="exponential"),
        betas=(0.9, 0.999),
        eps=1e-8,
        order="sequential",
        stack=stack,
        decoupled=decoupled,
        clip=0.2,
    )
    for done, network in zip(fit(runs, recipe, scratch=tmp_path), networks, strict=True):
        for name, weight in by_hand(network, data, decoupled).items():
            torch.testing.assert_close(done.state[name], weight)
        assert done.steps == done.progress.best_step == STEPS  # the last weights
        assert [rate for _, rate in done.history["lr"]] == [0.05, 0.025, 0.0125]


def by_hand(network: nn.Module, data: dict[str, Tensor], decoupled: bool) -> dict[str, Tensor]:
    optimiser = (torch.optim.AdamW if decoupled else torch.optim.Adam)(network.parameters(), lr=0.1, weight_decay=0.3)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, EVERY, DECAY)
    for _ in range(STEPS):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(data["x"]), data["y"]).backward()
        assert nn.utils.clip_grad_norm_(network.parameters(), 0.2) > 0.2  # it is clipped at all
        optimiser.step()
        schedule.step()
    return network.state_dict()


def test_a_falling_rate_stops_at_its_floor_and_a_worse_score_is_the_last_all_the_same() -> None:
    progress, rule = Progress(lr=1.0), PlateauRule(1, 0.5, 0, "exponential", floor=0.3)
    for step, accuracy in enumerate((0.9, 0.5, 0.1)):
        assert progress.see(accuracy, step, "accuracy", rule)
    assert (progress.lr, progress.best, progress.best_step, progress.ended) == (0.3, 0.1, 2, None)
