"""Optimisers, schedules, augmentation, precision: what a `Recipe` and a `Run` ask for, against PyTorch's own loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.adam import Adam
from learned_symmetry.data.augment import Crops, CutMix, Flips, InTurn, Standardise
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.models import Network, seeded
from learned_symmetry.objective import Batch, CrossEntropy, Objective
from learned_symmetry.optimiser import Optimiser
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Constant, Falling, Milestones, Rising, Schedule, Triangle
from learned_symmetry.sgd import SGD
from tests.test_fit import power_for

Stack = Literal["always", "never"]
STEPS, LR, DECAY, CLIP = 6, 0.1, 0.3, 0.2
both_ways = pytest.mark.parametrize("stack", ["always", "never"])


def recipe(**changed: Any) -> Recipe:
    usual: dict[str, Any] = {"steps": STEPS, "batch": 8, "evaluate_every": 2, "keep": "last", "order": "sequential"}
    return Recipe(**(usual | {"optimiser": Adam((0.9, 0.999), 1e-8), "stack": "never"} | changed))


# ---- optimisers and schedules ----------------------------------------------------------------------------------------

OPTIMISERS: dict[str, tuple[Optimiser, Callable[..., torch.optim.Optimizer]]] = {
    "adam": (Adam((0.9, 0.999), 1e-8), torch.optim.Adam),
    "adamw": (Adam((0.9, 0.999), 1e-8, decoupled=True), torch.optim.AdamW),
    "clipped": (Adam((0.9, 0.999), 1e-8, clip=CLIP), torch.optim.Adam),
    "sgd": (SGD(0.9), lambda weights, **settings: torch.optim.SGD(weights, momentum=0.9, **settings)),
    "nesterov": (
        SGD(0.9, nesterov=True, clip=CLIP),
        lambda weights, **settings: torch.optim.SGD(weights, momentum=0.9, nesterov=True, **settings),
    ),
    "no momentum": (SGD(0.0), torch.optim.SGD),
}
SCHEDULES: dict[str, tuple[Schedule, Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]]] = {
    "falling": (Falling(0.5, 2), lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5)),
    "milestones": (Milestones((2, 3), 0.1), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 3], 0.1)),
    "triangle": (
        Triangle(2, STEPS),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: np.interp(step, [0, 2, STEPS], [0, 1, 0])),
    ),
}


def task() -> dict[str, Tensor]:
    stream = generator(0, "data")
    return {"x": 5 * torch.randn(8, 4, generator=stream), "y": torch.randint(3, (8,), generator=stream)}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("alike", [True, False], ids=["one rate", "own rates"])
@both_ways
def test_training_is_pytorchs(optimiser: str, schedule: str, alike: bool, stack: Stack, tmp_path: Path) -> None:
    (ours, theirs), (rate, their_rate), data = OPTIMISERS[optimiser], SCHEDULES[schedule], task()
    networks = [seeded(lambda: nn.Linear(4, 3), generator(seed, "network")) for seed in range(2)]
    own = [(LR, DECAY) if alike else (LR * (1 + seed), DECAY / (1 + seed)) for seed in range(2)]
    runs = [
        Run(f"seed{seed}", seed, copy.deepcopy(network), CrossEntropy(), data, data, lr=lr, weight_decay=decay)
        for seed, (network, (lr, decay)) in enumerate(zip(networks, own, strict=True))
    ]
    done = fit(runs, recipe(optimiser=ours, schedule=rate, stack=stack), scratch=tmp_path)
    for fitted, network, (lr, decay) in zip(done, networks, own, strict=True):
        other = theirs(network.parameters(), lr=lr, weight_decay=decay)
        scheduler = their_rate(other)
        rates = []
        for _ in range(STEPS):
            other.zero_grad()
            F.cross_entropy(network(data["x"]), data["y"]).backward()
            if ours.clip is not None:
                assert nn.utils.clip_grad_norm_(network.parameters(), ours.clip) > ours.clip  # it is clipped at all
            other.step()
            scheduler.step()
            rates.append(other.param_groups[0]["lr"])
        for name, weight in network.state_dict().items():
            torch.testing.assert_close(fitted.state[name], weight)
            assert (weight - fitted.run.network.state_dict()[name]).abs().max() > 1e-3
        assert fitted.steps == fitted.progress.best_step == STEPS  # the last weights
        assert [rate for _, rate in fitted.history["lr"]] == pytest.approx(rates[1::2], abs=1e-12)


def test_schedules_by_hand() -> None:
    assert [Constant().share(step) for step in (0, 99)] == [1, 1]
    assert [Rising(4, 2).share(step) for step in range(7)] == [0.5, 0.5, 0.75, 0.75, 1, 1, 1]
    assert [Rising(0, 2).share(step) for step in range(3)] == [1, 1, 1]
    assert [Falling(0.5, 2).share(step) for step in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    assert [Milestones((2, 4), 0.5).share(step) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [Triangle(2, 6).share(step) for step in range(8)] == [0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0]


# ---- losses that begin late ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Late(CrossEntropy):
    """Twice the loss, from a step on."""

    begins: int

    def at(self, step: int) -> Objective:
        return self if step >= self.begins else CrossEntropy()

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        task = super().losses(network, batch)["task"]
        return {"task": task, "again": task, "total": 2 * task}


@both_ways
def test_a_loss_may_begin_late(stack: Stack, tmp_path: Path) -> None:
    data = task()
    runs = [Run(f"seed{seed}", seed, nn.Linear(4, 3), Late(4), data, data, lr=0.01) for seed in range(2)]
    for done in fit(runs, recipe(optimiser=SGD(0.0), stack=stack, evaluate_every=1), scratch=tmp_path):
        assert [step for step, _ in done.history["loss.again"]] == [5, 6]
        task_only, total = ([value for _, value in done.history[f"loss.{name}"]] for name in ("task", "total"))
        assert total == pytest.approx([*task_only[:4], *(2 * value for value in task_only[4:])])


# ---- augmentation ----------------------------------------------------------------------------------------------------

STANDARD = Standardise((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
AUGMENTED = InTurn((Crops(2), Flips(0.5)))


class Small(nn.Module):
    """A convolution without running statistics, so that it can be stacked."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, stride=2), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        return self.head(self.conv(x).relu().mean((-2, -1)))


def photographs(seed: int, size: int) -> dict[str, Tensor]:
    stream = generator(seed, "photographs")
    x = torch.randint(256, (size, 3, 12, 12), generator=stream, dtype=torch.uint8)
    return {"x": x, "y": torch.randint(10, (size,), generator=stream)}


def photo_run(seed: int, objective: Objective | None = None, **changed: Any) -> Run:
    network = seeded(Small, generator(seed, "network"))
    parts = {"train": photographs(seed, 20), "valid": photographs(seed + 100, 10)}
    settings = {"lr": 0.05, "augment": AUGMENTED, "prepare": STANDARD} | parts | changed
    return Run(f"seed{seed}", seed, network, objective or CrossEntropy(), **settings)


@dataclass(frozen=True)
class Judged(CrossEntropy):
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"


@both_ways
def test_batches_are_augmented_by_seed_and_step_and_validation_never(stack: Stack, tmp_path: Path) -> None:
    runs = [photo_run(seed, Judged()) for seed in range(2)]
    how = recipe(optimiser=SGD(0.9), order="shuffled", stack=stack)
    for done in fit(runs, how, scratch=tmp_path):
        run, model = done.run, seeded(Small, generator(done.run.seed, "network"))
        other = torch.optim.SGD(model.parameters(), lr=run.lr, momentum=0.9)
        for step in range(STEPS):
            epoch, place = divmod(step, 3)
            rows = torch.randperm(20, generator=generator(run.seed, "order", epoch))[8 * place : 8 * place + 8]
            stream, x, y = generator(run.seed, "augmentation", step), run.train["x"][rows], run.train["y"][rows]
            for augmentation in AUGMENTED.augmentations:
                x, y = augmentation.apply(x, y, augmentation.draw(stream, len(y)))
            other.zero_grad()
            F.cross_entropy(model(STANDARD(x)), y).backward()
            other.step()
        for name, weight in model.state_dict().items():
            torch.testing.assert_close(done.state[name], weight, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            validated = F.cross_entropy(model(STANDARD(run.valid["x"])), run.valid["y"]).item()
        assert done.history["validation.loss"][-1][1] == pytest.approx(validated, rel=1e-4)


def test_mixed_labels_reach_the_loss(tmp_path: Path) -> None:
    """One step at rate 0: its loss is that of the shares."""
    run = photo_run(0, augment=CutMix(1.0, 1.0, 10), lr=0.0)
    (done,) = fit([run], recipe(steps=1, evaluate_every=1), scratch=tmp_path)
    x, y = run.augment(run.train["x"][:8], run.train["y"][:8], generator(0, "augmentation", 0))
    assert not set(y.unique().tolist()) <= {0, 1}
    (_, loss), = done.history["loss.task"]  # fmt: skip
    assert loss == pytest.approx(F.cross_entropy(run.network(STANDARD(x)), y).item(), rel=1e-5)


def test_runs_are_stacked_only_where_they_are_augmented_alike(tmp_path: Path) -> None:
    runs = [photo_run(0), photo_run(1), photo_run(2, augment=InTurn((Crops(2),))), photo_run(3, augment=None)]
    fit(runs, recipe(stack="always"), scratch=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@both_ways
def test_killed_while_images_are_augmented_it_ends_the_same(stack: Stack, tmp_path: Path) -> None:
    how = recipe(optimiser=SGD(0.9), schedule=Triangle(2, STEPS), stack=stack, checkpoint_seconds=0)

    def train(folder: str) -> list[Fitted]:
        return fit([photo_run(seed) for seed in range(2)], how, scratch=tmp_path / folder)

    with power_for(5, CrossEntropy), pytest.raises(RuntimeError, match="power cut"):
        train("killed")
    for again, expected in zip(train("killed"), train("whole"), strict=True):
        assert all(torch.equal(weight, again.state[name]) for name, weight in expected.state.items())


# ---- precision and layout --------------------------------------------------------------------------------------------


def test_standardised_images_are_torchvisions() -> None:
    from torchvision.transforms import functional as tv

    x = photographs(0, 5)["x"]
    expected = tv.normalize(x / 255, STANDARD.mean, STANDARD.std)
    torch.testing.assert_close(STANDARD(x), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(STANDARD(x.unsqueeze(0))[0], expected, rtol=0, atol=1e-6)


class Laid(Small):
    """Notes whether its images have their channels last."""

    seen: ClassVar[set[bool]] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add(x.is_contiguous(memory_format=torch.channels_last))
        return super().forward(x)


def test_channels_last_is_another_layout_of_the_same_training(tmp_path: Path) -> None:
    def train(last: bool) -> Fitted:
        Laid.seen.clear()
        run = replace(photo_run(0), network=seeded(Laid, generator(0, "network")))
        (done,) = fit([run], recipe(channels_last=last), scratch=tmp_path / str(last))
        assert Laid.seen == {last}
        return done

    plain, last = train(False), train(True)
    for name, weight in plain.state.items():
        torch.testing.assert_close(last.state[name], weight, rtol=0, atol=1e-5)


def test_bfloat16_changes_nothing_on_a_cpu(tmp_path: Path) -> None:
    plain, cast = (
        fit([photo_run(0)], recipe(bfloat16=on), scratch=tmp_path / str(on))[0].state for on in (False, True)
    )
    assert all(torch.equal(plain[name], cast[name]) for name in plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@both_ways
def test_bfloat16_on_a_gpu_is_near_float32(stack: Stack, tmp_path: Path) -> None:
    def train(on: bool) -> list[Fitted]:
        how, runs = recipe(bfloat16=on, channels_last=on, stack=stack), [photo_run(0), photo_run(1)]
        return fit(runs, how, scratch=tmp_path / str(on), device=torch.device("cuda"))

    for plain, cast in zip(train(False), train(True), strict=True):
        assert not torch.equal(plain.state["conv.weight"], cast.state["conv.weight"])
        for name, weight in plain.state.items():
            assert cast.state[name].dtype == torch.float32
            torch.testing.assert_close(cast.state[name], weight, rtol=0, atol=0.1)
