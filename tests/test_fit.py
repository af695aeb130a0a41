"""The engine: many runs as one program are as good as each alone, and nothing that happens on the way changes one."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import psutil
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.adam import Adam
from learned_symmetry.checkpoint import load_tensors, save_tensors
from learned_symmetry.data import mnist1d
from learned_symmetry.errors import UserError
from learned_symmetry.fit import Fitted, Recipe, Run, fit
from learned_symmetry.models import Network, cached_features, cnn, masks, mlp, seeded
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.mnist1d import LAYERS, OrbitKernels, Student, Teacher
from learned_symmetry.models.orbit_images import OrbitImageKernels
from learned_symmetry.objective import Batch, CrossEntropy, Objective
from learned_symmetry.plateau import PlateauRule
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Rising
from learned_symmetry.transfer.kd import KD
from learned_symmetry.transfer.orbit import LearnOrbit, Orbit
from learned_symmetry.transfer.orbit_images import ImageOrbit, LearnImageOrbit
from learned_symmetry.transfer.rdl import RDL

ROOT = Path(__file__).parents[1]
FLOAT32, FLOAT64 = 2e-5, 1e-10  # of weights that start within ± 0.5, after 50 steps of Adam
ARCHITECTURE = Teacher().requires_grad_(False)
IMAGES_ARCHITECTURE = CNN((2, 3, 4)).requires_grad_(False).eval()
Make = Callable[[int], Run]  # seed -> a fresh run


def recipe(**changed: Any) -> Recipe:
    """Fifty steps, judged once at the end, so that the best weights are the last."""
    usual: dict[str, Any] = {"steps": 50, "batch": 16, "evaluate_every": 50, "keep": PlateauRule(1000, 0.8, 5)}
    usual |= {"optimiser": Adam((0.9, 0.999), 1e-8), "order": "sequential", "stack": "never", "checkpoint_seconds": 1e9}
    return Recipe(**(usual | changed))


def data(seed: int, size: int = 40) -> dict[str, Tensor]:
    stream = generator(seed, "test data", size)
    return {"x": torch.randn(size, 1, 40, generator=stream), "y": torch.randint(10, (size,), generator=stream)}


def a_run(seed: int, network: Callable[[], nn.Module], objective: Objective, *, lr: float = 1e-3, **more: Any) -> Run:
    name, net = f"seed{seed}", seeded(network, generator(seed, "weights"))
    return Run(name, seed, net, objective, **({"train": data(seed), "valid": data(seed + 100, 20)} | more), lr=lr)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that share out one small product wait for each other, on a busy machine for a hundred times its cost."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_threads(_one_thread: None) -> None:
    """Two programs are trained at a time."""
    torch.set_num_threads(2)


@pytest.fixture
def in_float64() -> Iterator[None]:
    """Where rounding shall decide nothing: in float32 it may switch a ReLU, and with it one unit's weights."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# ---- the families: each run has its own seed, data, rate, weight decay and loss --------------------------------------


def with_teacher(seed: int, part: dict[str, Tensor]) -> dict[str, Tensor]:
    cached = cached_features(seeded(Teacher, generator(seed, "teacher")), part["x"], LAYERS)
    return part | {f"teacher.{layer}": z for layer, z in cached.items()}


def taught_by_kd(seed: int, head: Literal["pooling", "linear"] = "pooling") -> Run:
    objective = KD(gamma=0.2 + 0.3 * seed, temperature=1.0 + seed)
    train = with_teacher(seed, data(seed))
    return a_run(seed, lambda: Student(head), objective, lr=1e-3 * (1 + seed), train=train, weight_decay=0.01 * seed)


def taught_by_rdl(seed: int, head: Literal["pooling", "linear"] = "pooling") -> Run:
    train = with_teacher(seed, data(seed))
    return a_run(seed, lambda: Student(head), RDL(gamma=0.3 + 0.3 * seed), lr=1e-3 * (1 + seed), train=train)


def a_teacher(seed: int) -> Run:
    return a_run(seed, Teacher, CrossEntropy(), lr=0.01 * (1 + seed), weight_decay=0.01 * seed)


def an_orbit_model(seed: int) -> Run:
    weights = seeded(Teacher, generator(seed, "teacher")).state_dict()
    return a_run(
        seed,
        OrbitKernels,
        LearnOrbit(ARCHITECTURE, equiv=0.1 + seed, inv=10.0 - seed, group=1.0 + seed, group_term="inputs"),
        lr=0.01 * (1 + seed),
        train=with_teacher(seed, data(seed)),
        valid=with_teacher(seed, data(seed + 100, 20)),
        constants={f"weights.{name}": w for name, w in weights.items()},
    )


def taught_by_orbit(seed: int, head: Literal["pooling", "linear"] = "pooling") -> Run:
    with torch.no_grad():
        rho = {f"rho.{name}": bank / 10 for name, bank in seeded(OrbitKernels, generator(seed, "rho"))().items()}
    return a_run(seed, lambda: Student(head), Orbit(0.3 + 0.3 * seed, "flat"), lr=1e-3 * (1 + seed), constants=rho)


def images(seed: int, size: int = 40) -> dict[str, Tensor]:
    stream = generator(seed, "test images", size)
    return {"x": torch.rand(size, 1, 28, 28, generator=stream), "y": torch.randint(10, (size,), generator=stream)}


def on_images(seed: int, network: Callable[[], nn.Module], objective: Objective, **more: Any) -> Run:
    parts = {"train": images(seed), "valid": images(seed + 100, 20)}
    return a_run(seed, network, objective, **(parts | {"lr": 1e-3 * (1 + seed), "weight_decay": 0.01 * seed} | more))


def a_dropping_mlp(seed: int) -> Run:
    return on_images(seed, lambda: MLP((9, 8, 7), 0.3), CrossEntropy())


def a_dropping_cnn(seed: int) -> Run:
    return on_images(seed, lambda: CNN((4, 4, 4), 0.3), CrossEntropy(), lr=0.01 * (1 + seed))


def an_image_orbit_model(seed: int) -> Run:
    weights = seeded(lambda: CNN((2, 3, 4)), generator(seed, "teacher")).state_dict()
    weighed = {"ce": 0.5 + seed, "equiv": 1.0 + seed, "inv": 10.0 - seed, "group": 1.0 + seed}
    shape = {"layers": cnn.LAYERS, "terms": tuple(weighed), "n_max": 3, "clamp": True, "detach": True, "order": 6}
    return on_images(
        seed,
        lambda: OrbitImageKernels(cnn.LAYERS, order=6),
        LearnImageOrbit(IMAGES_ARCHITECTURE, **shape, **weighed),
        lr=0.01 * (1 + seed),
        constants={f"weights.{name}": w for name, w in weights.items()},
    )


def an_mlp_taught_by_orbit(seed: int) -> Run:
    with torch.no_grad():
        banks = seeded(lambda: OrbitImageKernels(mlp.LAYERS, order=6, std=0.2), generator(seed, "rho"))()
    objective = ImageOrbit(0.3 + 0.3 * seed, 3, True, 6, layers=mlp.LAYERS)
    rho = {f"rho.{name}": bank.detach() for name, bank in banks.items()}
    return on_images(seed, lambda: MLP((18, 8, 32), 0.3), objective, constants=rho)


FAMILIES: dict[str, Make] = {
    "kd pooling": taught_by_kd,
    "kd linear": lambda seed: taught_by_kd(seed, "linear"),
    "rdl pooling": taught_by_rdl,
    "rdl linear": lambda seed: taught_by_rdl(seed, "linear"),
    "teacher": a_teacher,
    "orbit model": an_orbit_model,
    "orbit pooling": taught_by_orbit,
    "orbit linear": lambda seed: taught_by_orbit(seed, "linear"),
    "mlp with dropout": a_dropping_mlp,
    "cnn with dropout": a_dropping_cnn,
    "image orbit model": an_image_orbit_model,
    "orbit mlp": an_mlp_taught_by_orbit,
}
each_family = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)


def same(a: Fitted, b: Fitted, tolerance: float = 0.0) -> None:
    """Two results of one run: same end, same weights, same way there."""
    assert (a.run.name, a.steps, a.progress.ended) == (b.run.name, b.steps, b.progress.ended)
    for name, weight in a.state.items():
        torch.testing.assert_close(weight, b.state[name], rtol=0, atol=tolerance)
    assert a.history.keys() == b.history.keys()
    if not tolerance:
        assert repr(a.history) == repr(b.history)  # repr: two NaN are alike
        assert a.progress == b.progress


def share_off(a: Fitted, b: Fitted) -> float:
    """The share of weights that differ by more than rounding in float32 explains."""
    off = [((weight - b.state[name]).abs() > FLOAT32).flatten() for name, weight in a.state.items()]
    return torch.cat(off).float().mean().item()


# ---- a network of one number, whose whole training can be worked out by hand -----------------------------------------


class Number(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2, 2))

    def forward(self) -> Tensor:
        return self.w


@dataclass(frozen=True)
class Fall(Objective):
    """Its gradient is one, so Adam lowers w by lr a step; judged by how near w is to -target."""

    target: float
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        return {"total": network().sum() * batch["scale"].mean()}

    def score(self, network: Network, batch: Batch) -> Tensor:
        return (network().mean() + self.target).abs()


def falling(name: str, target: float, lr: float = 1.0, scale: Tensor | None = None, seed: int = 0) -> Run:
    part = {"y": torch.zeros(8), "scale": torch.ones(8) if scale is None else scale}
    return Run(name, seed, Number(), Fall(target), part, part, lr=lr)


STEP_BY_STEP = {"steps": 20, "batch": 2, "evaluate_every": 1, "keep": PlateauRule(2, 0.5, 1)}


# ---- stacked, looped, alone, by hand ---------------------------------------------------------------------------------


def stacked_and_looped(make: Make, tmp_path: Path) -> Iterator[tuple[Fitted, Fitted]]:
    stacked, looped = (
        fit([make(seed) for seed in range(2)], recipe(stack=how), scratch=tmp_path / how) for how in ("always", "never")
    )
    assert [len(list((tmp_path / how).iterdir())) for how in ("always", "never")] == [1, 2]  # it was stacked
    for a, b in zip(stacked, looped, strict=True):
        for name, weight in a.run.network.state_dict().items():
            assert (a.state[name] - weight).abs().max() > 100 * FLOAT32  # it was trained
        yield a, b


@each_family
@pytest.mark.usefixtures("in_float64")
def test_stacked_equals_looped(make: Make, tmp_path: Path) -> None:
    for a, b in stacked_and_looped(make, tmp_path):
        assert {weight.dtype for weight in a.state.values()} == {torch.float64}
        same(a, b, FLOAT64)


@each_family
def test_stacked_equals_looped_in_float32(make: Make, tmp_path: Path) -> None:
    for a, b in stacked_and_looped(make, tmp_path):
        assert {weight.dtype for weight in a.state.values()} == {torch.float32}
        assert share_off(a, b) < 0.01


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("how", ["always", "never"])
@pytest.mark.parametrize(
    "make", [taught_by_kd, an_orbit_model, a_dropping_mlp, a_dropping_cnn], ids=["kd", "orbit model", "mlp", "cnn"]
)
def test_a_result_does_not_depend_on_the_neighbours(make: Make, how: str, tmp_path: Path) -> None:
    how_to = recipe(steps=20, evaluate_every=20, stack=how)
    alone = [fit([make(seed)], how_to, scratch=tmp_path / f"{seed}")[0] for seed in range(3)]
    for order in ([0, 1, 2], [2, 0]):
        together = fit([make(seed) for seed in order], how_to, scratch=tmp_path / f"{order}")
        assert [done.run.seed for done in together] == order
        for done in together:
            same(done, alone[done.run.seed], FLOAT64)


@pytest.mark.usefixtures("in_float64")
def test_networks_that_compute_different_things_are_not_stacked(tmp_path: Path) -> None:
    """The same tensors, and yet another function: with and without a ReLU before the head (D11)."""

    def make(relu: bool) -> Run:
        run = a_run(0, lambda: Student("linear", relu_before_head=relu), CrossEntropy())
        return replace(run, name=f"relu {relu}")

    together = fit([make(False), make(True)], recipe(stack="always"), scratch=tmp_path / "both")
    for relu, done in enumerate(together):
        same(done, fit([make(bool(relu))], recipe(), scratch=tmp_path / str(relu))[0], FLOAT64)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("how", ["always", "never"])
@pytest.mark.parametrize("network", [Teacher, lambda: Student("linear")], ids=["teacher", "student"])
def test_training_is_adam_on_batches_in_order(network: Callable[[], nn.Module], how: str, tmp_path: Path) -> None:
    """Against PyTorch's own optimiser and a loop; the batch that meets the end of the set is cut there (D6)."""
    runs = [
        a_run(seed, network, CrossEntropy(), lr=1e-3 * (1 + seed), train=data(seed, 70), weight_decay=0.1 * seed)
        for seed in range(2)
    ]
    how_to = recipe(steps=23, evaluate_every=23, batch=32, stack=how, optimiser=Adam((0.8, 0.99), 1e-4))
    for done, run in zip(fit(runs, how_to, scratch=tmp_path), runs, strict=True):
        model = seeded(network, generator(run.seed, "weights"))
        adam = torch.optim.Adam(
            model.parameters(), lr=run.lr, betas=(0.8, 0.99), eps=1e-4, weight_decay=run.weight_decay
        )
        sizes = set()
        for step in range(23):
            first = 32 * step % 70
            rows = list(range(first, min(first + 32, 70)))
            sizes.add(len(rows))
            adam.zero_grad()
            F.cross_entropy(model(run.train["x"][rows]), run.train["y"][rows]).backward()
            adam.step()
        assert {32, 6, 12} < sizes  # steps 0 and 1, 2, and 4
        for name, weight in model.state_dict().items():
            torch.testing.assert_close(done.state[name], weight, rtol=0, atol=FLOAT64)


@dataclass(frozen=True)
class Judged(CrossEntropy):
    """Plain training, judged by the loss."""

    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("how", ["always", "never"])
@pytest.mark.parametrize("make", [a_dropping_mlp, a_dropping_cnn], ids=["mlp", "cnn"])
def test_what_is_dropped_depends_on_seed_and_step_alone(make: Make, how: str, tmp_path: Path) -> None:
    """Against a plain loop with those masks; nothing is dropped in validation."""
    runs = [replace(make(seed), objective=Judged()) for seed in range(2)]
    how_to = recipe(steps=7, evaluate_every=1, stack=how)
    for done in fit(runs, how_to, scratch=tmp_path):
        run = done.run
        model = make(run.seed).network.train()
        adam = torch.optim.Adam(model.parameters(), lr=run.lr, weight_decay=run.weight_decay)
        losses, judged = [], []
        for step in range(7):
            rows = list(range(16 * step % 40, min(16 * step % 40 + 16, 40)))
            keep = masks(model, len(rows), generator(run.seed, "dropout", step))
            assert len(keep) == 3
            adam.zero_grad()
            loss = F.cross_entropy(Network(model, keep)(run.train["x"][rows]), run.train["y"][rows])
            loss.backward()
            adam.step()
            losses.append((step + 1, pytest.approx(loss.item(), abs=FLOAT64)))
            with torch.no_grad():
                loss = F.cross_entropy(model(run.valid["x"]), run.valid["y"])
            judged.append((step + 1, pytest.approx(loss.item(), abs=FLOAT64)))
        assert done.history["loss.total"] == losses
        assert done.history["validation.loss"] == judged


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("how", ["always", "never"])
@pytest.mark.parametrize("size", [20, 19, 7, 1])
def test_a_validation_in_chunks_is_that_of_the_whole(
    size: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(folder: str, objective: Objective) -> list[Fitted]:
        runs = [replace(a_dropping_mlp(seed), objective=objective) for seed in range(2)]
        return fit(runs, recipe(steps=9, evaluate_every=3, stack=how), scratch=tmp_path / folder)

    kinds = {"loss": Judged(), "accuracy": CrossEntropy()}
    whole = {name: train(f"whole {name}", kind) for name, kind in kinds.items()}
    monkeypatch.setattr("learned_symmetry.fit.VALIDATED", size)
    for name, kind in kinds.items():
        for chunked, expected in zip(train(f"chunks {name}", kind), whole[name], strict=True):
            key = f"validation.{name}"
            values = [(step, pytest.approx(value, abs=1e-6)) for step, value in expected.history[key]]
            assert chunked.history[key] == values
            assert torch.equal(chunked.state["head.weight"], expected.state["head.weight"])


def test_auto_stacks_dense_networks_and_loops_where_much_convolves(tmp_path: Path) -> None:
    """An orbit model's teacher of 825 weights convolves much with a thousand examples, not with ten."""

    def stacks(make: Make, batch: int = 10) -> int:
        scratch = tmp_path / f"{make.__name__}{batch}"
        how = recipe(steps=1, batch=batch, evaluate_every=1, stack="auto")
        fit([make(seed) for seed in range(2)], how, scratch=scratch)
        return len(list(scratch.iterdir()))

    assert [stacks(make) for make in (taught_by_kd, a_teacher, an_orbit_model)] == [1, 2, 1]
    assert stacks(an_orbit_model, 1000) == 2


# ---- batches and draws -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watching(Objective):
    """Notes which examples and which draws it was given."""

    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"
    seen: ClassVar[list[tuple[list[int], float]]] = []

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"u": torch.rand(size, generator=generator, dtype=torch.float64)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        assert len(batch["u"]) == len(batch["number"])
        self.seen.append((batch["number"].tolist(), batch["u"][0].item()))
        return {"total": network().sum()}


def watched(seed: int, tmp_path: Path, **changed: Any) -> list[tuple[list[int], float]]:
    """(examples, first draw) of each batch of a training, validation batches included."""
    Watching.seen.clear()
    train, valid = ({"y": torch.zeros(n), "number": torch.arange(n) + first} for n, first in ((10, 0), (3, 100)))
    fit([Run("run", seed, Number(), Watching(), train, valid, lr=0.1)], recipe(batch=4, **changed), scratch=tmp_path)
    return list(Watching.seen)


def test_a_shuffled_epoch_has_every_example_once(tmp_path: Path) -> None:
    seen = watched(0, tmp_path / "0", steps=9, evaluate_every=100, order="shuffled")
    batches = [rows for rows, _ in seen if rows[0] < 100]
    epochs = [[row for rows in batches[first : first + 3] for row in rows] for first in (0, 3, 6)]
    assert [len(rows) for rows in batches] == [4, 4, 2] * 3
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3  # another order each
    other = watched(1, tmp_path / "1", steps=9, evaluate_every=100, order="shuffled")
    assert [rows for rows, _ in other] != [rows for rows, _ in seen]  # and for each seed
    assert watched(0, tmp_path / "again", steps=9, evaluate_every=100, order="shuffled") == seen


def test_every_step_and_every_validation_draws_anew(tmp_path: Path) -> None:
    seen = watched(0, tmp_path / "0", steps=6, evaluate_every=2)
    assert len(seen) == 6 + 3
    assert len({u for _, u in seen}) == len(seen)
    assert {tuple(rows) for rows, _ in seen if rows[0] >= 100} == {(100, 101, 102)}  # all of the validation set
    assert not {u for _, u in watched(1, tmp_path / "1", steps=6, evaluate_every=2)} & {u for _, u in seen}


def test_every_chunk_of_a_validation_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learned_symmetry.fit.VALIDATED", 2)
    seen = watched(0, tmp_path, steps=4, evaluate_every=2)
    assert [rows for rows, _ in seen if rows[0] >= 100] == [[100, 101], [102]] * 2
    assert len({u for _, u in seen}) == len(seen) == 4 + 4


# ---- each run's own schedule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["always", "never"])
def test_each_run_follows_its_own_schedule(how: Literal["always", "never"], tmp_path: Path) -> None:
    """w falls by lr a step. `near` passes its best, -3, at step 3; its rate is halved at step 5, its end is at 7."""
    runs = [falling("far", 100), falling("near", 3), falling("slow", 100, lr=0.25)]
    far, near, slow = fit(runs, recipe(stack=how, **STEP_BY_STEP), scratch=tmp_path)

    assert (near.progress.ended, near.steps, near.progress.best_step, near.dropped) == ("plateaus", 7, 3, None)
    assert near.state["w"].tolist() == [[pytest.approx(-3, abs=1e-4)] * 2] * 2  # the best weights, not the last
    lr = [1, 1, 1, 1, 0.5, 0.5, 0.5]
    assert near.history["lr"] == list(zip(range(1, 8), lr, strict=True))
    distances = [2, 1, 0, 1, 2, 2.5, 3]
    assert [value for _, value in near.history["validation.loss"]] == pytest.approx(distances, abs=1e-4)

    for done, w in ((far, -20), (slow, -5)):
        assert (done.progress.ended, done.steps, done.progress.best_step, done.dropped) == ("steps", 20, 20, None)
        assert done.state["w"].tolist() == [[pytest.approx(w, abs=1e-4)] * 2] * 2
        assert len(done.history["lr"]) == 20


@pytest.mark.parametrize("how", ["always", "never"])
def test_a_plateau_brings_the_best_weights_back(how: Literal["always", "never"], tmp_path: Path) -> None:
    """`near` is best at -3 after step 3; after step 5 it is there again, with half the rate: -3.5 is nearer to -3.4."""
    how_to = recipe(stack=how, **(STEP_BY_STEP | {"keep": PlateauRule(2, 0.5, 1, restore=True)}))
    far, near = fit([falling("far", 100), falling("near", 3.4)], how_to, scratch=tmp_path)
    distances = [2.4, 1.4, 0.4, 0.6, 1.6, 0.1, 0.6, 1.1]
    assert [value for _, value in near.history["validation.loss"]] == pytest.approx(distances, abs=1e-4)
    assert (near.progress.ended, near.steps, near.progress.best_step) == ("plateaus", 8, 6)
    assert near.state["w"].tolist() == [[pytest.approx(-3.5, abs=1e-4)] * 2] * 2
    assert far.state["w"].tolist() == [[pytest.approx(-20, abs=1e-4)] * 2] * 2  # its weights are its own


@pytest.mark.parametrize("how", ["always", "never"])
def test_the_rate_rises_to_the_runs_own(how: Literal["always", "never"], tmp_path: Path) -> None:
    """Before evaluation e it is min(1, (e + 1) / 5) of it; two steps an evaluation, each lowers w by the rate."""
    settings = {"steps": 14, "batch": 2, "evaluate_every": 2, "schedule": Rising(5, 2), "keep": PlateauRule(1, 0.5, 5)}
    far, near = fit(
        [falling("far", 100), falling("near", 1.6, lr=2.0)], recipe(stack=how, **settings), scratch=tmp_path
    )
    rates = [0.4, 0.6, 0.8, 1, 1, 1, 1]  # before each evaluation
    w = [sum(rates[: e + 1]) * -2 for e in range(7)]
    assert [value for _, value in far.history["validation.loss"]] == pytest.approx([100 + x for x in w], abs=1e-4)
    after = [*rates[1:], 1]  # what is recorded is the rate until the next
    assert far.history["lr"] == [(2 * e, pytest.approx(rate)) for e, rate in enumerate(after, start=1)]
    fallen = [1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125]  # `near` was best at once; it has a plateau a time
    expected = [(2 * e, pytest.approx(2 * a * b)) for e, (a, b) in enumerate(zip(after, fallen, strict=True), start=1)]
    assert near.history["lr"] == expected


class Idle(Number):
    """With weights that no loss uses."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.ones(3, 2))
        self.bare = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize("how", ["always", "never"])
def test_weights_that_the_loss_does_not_use_stay_as_they_are(how: Literal["always", "never"], tmp_path: Path) -> None:
    """Nor does weight decay touch them, nor a checkpoint."""
    how_to = recipe(stack=how, checkpoint_seconds=0, **STEP_BY_STEP)

    def train(folder: str) -> list[Fitted]:
        runs = [replace(falling(n, 100, lr=0.5), network=Idle(), weight_decay=0.1) for n in ("a", "b")]
        return fit(runs, how_to, scratch=tmp_path / folder)

    undisturbed = train("undisturbed")
    with power_for(9, Fall), pytest.raises(RuntimeError, match="power cut"):
        train("killed")
    for again, expected in zip(train("killed"), undisturbed, strict=True):
        same(again, expected)
        assert again.state["w"].mean().item() < -3
        assert torch.equal(again.state["idle"], torch.ones(3, 2))
        assert torch.equal(again.state["bare"], torch.ones(4))


def test_the_best_network_is_ready_to_evaluate(tmp_path: Path) -> None:
    (near,) = fit([falling("near", 3)], recipe(**STEP_BY_STEP), scratch=tmp_path)
    network = near.network()
    assert network().tolist() == near.state["w"].tolist()
    assert not network.training


def test_the_last_step_is_judged_too(tmp_path: Path) -> None:
    (done,) = fit([falling("far", 100)], recipe(steps=7, evaluate_every=3, batch=2), scratch=tmp_path)
    assert [step for step, _ in done.history["validation.loss"]] == [3, 6, 7]
    assert done.history.keys() == {"loss.total", "validation.loss", "lr"}
    assert done.state["w"].mean().item() == pytest.approx(-7, abs=1e-4)


# ---- runs that fail --------------------------------------------------------------------------------------------------


def bad_rate(seed: int) -> Run:
    return replace(taught_by_kd(seed), name="bad", lr=1e300)


def bad_data(seed: int) -> Run:
    run = taught_by_kd(seed)
    x = run.train["x"].clone()
    x[20] = torch.inf  # in the second batch
    return replace(run, name="bad", train=run.train | {"x": x})


@pytest.mark.usefixtures("two_threads", "in_float64")
@pytest.mark.parametrize("bad", [bad_rate, bad_data])
@pytest.mark.parametrize("how", ["always", "never"])
def test_a_run_whose_loss_is_not_finite_is_dropped_and_the_others_go_on(
    bad: Make, how: Literal["always", "never"], tmp_path: Path
) -> None:
    how_to = recipe(stack=how, evaluate_every=10)
    good = fit([taught_by_kd(0), taught_by_kd(2)], how_to, scratch=tmp_path / "good")
    first, dropped, last = fit([taught_by_kd(0), bad(1), taught_by_kd(2)], how_to, scratch=tmp_path / "all")
    for done, expected in ((first, good[0]), (last, good[1])):
        same(done, expected, FLOAT64)
        assert done.dropped is None
    assert dropped.steps == 10
    assert "not finite" in dropped.dropped
    assert "step 10" in dropped.dropped


def test_runs_are_told_apart_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unique.*twice"):
        fit([falling("twice", 1), falling("twice", 2)], recipe(**STEP_BY_STEP), scratch=tmp_path)


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_one_run_stops_all_at_once(tmp_path: Path) -> None:
    """The second of two programs fails at its first step; the first would go on for two seconds."""

    @dataclass(frozen=True)
    class Failing(Objective):
        fails: bool
        deadline: float

        def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
            if self.fails or time.monotonic() > self.deadline:
                raise RuntimeError("first" if self.fails else "too late")
            return {"total": network().sum()}

    part, deadline = {"y": torch.zeros(8)}, time.monotonic() + 2
    runs = [Run(str(fails), 0, Number(), Failing(fails, deadline), part, part, lr=0.1) for fails in (False, True)]
    with pytest.raises(RuntimeError, match="first"):
        fit(runs, recipe(steps=10**9, evaluate_every=10**9), scratch=tmp_path)
    assert time.monotonic() < deadline


# ---- killed and started again ----------------------------------------------------------------------------------------


@contextmanager
def power_for(steps: int, kind: type[Objective]) -> Iterator[None]:
    """Objectives of that kind fail after so many steps of a process."""
    losses, left = kind.losses, iter(range(steps))

    def running(objective: Objective, network: Network, batch: Batch) -> dict[str, Tensor]:
        if next(left, None) is None:
            raise RuntimeError("power cut")
        return losses(objective, network, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "losses", running)
        yield


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("how", ["always", "never"])
@pytest.mark.parametrize(
    ("make", "kind", "order"),
    [
        (taught_by_kd, KD, "shuffled"),
        (an_orbit_model, LearnOrbit, "sequential"),
        (a_dropping_mlp, CrossEntropy, "shuffled"),
        (an_mlp_taught_by_orbit, ImageOrbit, "sequential"),
    ],
    ids=["student", "orbit model", "mlp with dropout", "orbit mlp"],
)
def test_killed_and_started_again_it_ends_the_same(
    make: Make, kind: type[Objective], how: str, order: str, tmp_path: Path
) -> None:
    how_to = recipe(steps=20, evaluate_every=4, stack=how, order=order, checkpoint_seconds=0)

    def train(folder: str) -> list[Fitted]:
        return fit([make(seed) for seed in range(2)], how_to, scratch=tmp_path / folder)

    undisturbed = train("undisturbed")
    for steps in (7, 9):  # killed twice, between two checkpoints
        with power_for(steps, kind), pytest.raises(RuntimeError, match="power cut"):
            train("killed")
        assert list((tmp_path / "killed").iterdir())
    for again, expected in zip(train("killed"), undisturbed, strict=True):
        same(again, expected)
    with power_for(0, kind):  # a finished training is not done again
        for again, expected in zip(train("killed"), undisturbed, strict=True):
            same(again, expected)


@pytest.mark.parametrize("steps", [2, 4, 6, 8, 15])
def test_killed_before_and_after_a_run_has_left_its_stack(steps: int, tmp_path: Path) -> None:
    def train(folder: str) -> list[Fitted]:
        runs = [falling("far", 100), falling("near", 3), falling("bad", 100, scale=torch.full((8,), torch.nan))]
        how_to = recipe(**STEP_BY_STEP, stack="always", checkpoint_seconds=0)
        return fit(runs, how_to, scratch=tmp_path / folder)

    undisturbed = train("undisturbed")
    assert [done.progress.ended for done in undisturbed][:2] == ["steps", "plateaus"]
    assert "step 1" in undisturbed[2].dropped
    with power_for(steps, Fall), pytest.raises(RuntimeError, match="power cut"):
        train("killed")
    for again, expected in zip(train("killed"), undisturbed, strict=True):
        same(again, expected)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_started_again_with_other_threads_it_ends_the_same(
    before: int, after: int, finished: bool, tmp_path: Path
) -> None:
    """Runs are parted into as many stacks as there are cores: no checkpoint may be taken for another's."""

    def train(folder: str, threads: int) -> list[Fitted]:
        torch.set_num_threads(threads)
        runs = [falling(f"run{n}", target=100, lr=0.5 + n) for n in range(4)]
        how_to = recipe(steps=8, batch=2, evaluate_every=2, stack="always", checkpoint_seconds=0)
        return fit(runs, how_to, scratch=tmp_path / folder)

    undisturbed = train("undisturbed", after)
    if finished:  # as when another training of the same stage was under way
        train("killed", before)
    else:
        with power_for(5, Fall), pytest.raises(RuntimeError, match="power cut"):
            train("killed", before)
    for again, expected in zip(train("killed", after), undisturbed, strict=True):
        same(again, expected, FLOAT32)


def train_long(scratch: Path, cores: int, steps: int = 60) -> list[Fitted]:
    torch.set_num_threads(cores)
    how_to = recipe(steps=steps, evaluate_every=2, stack="always", checkpoint_seconds=0)
    return fit([an_orbit_model(seed) for seed in range(2)], how_to, scratch=scratch)


def train_slowly(scratch: str, cores: str) -> None:
    """What the test below starts in a process of its own, and kills."""
    losses = LearnOrbit.losses

    def slowly(objective: LearnOrbit, network: Network, batch: Batch) -> dict[str, Tensor]:
        time.sleep(0.03)
        return losses(objective, network, batch)

    LearnOrbit.losses = slowly
    train_long(Path(scratch), int(cores))


@pytest.mark.parametrize("cores", [1, 2])
def test_kill_9_at_a_random_moment(cores: int, tmp_path: Path) -> None:
    """Processes that share its work end with it."""
    code = "import sys; from tests.test_fit import train_slowly; train_slowly(*sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed"), str(cores)], cwd=ROOT)
    try:
        while len(list((tmp_path / "killed").glob("*.pt"))) < cores and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.5))
        workers = psutil.Process(process.pid).children()
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL  # it had not ended by itself
    assert len(workers) == (0 if cores == 1 else 2)
    assert in_time(lambda: not any(worker.is_running() for worker in workers), 5)
    for checkpoint in (tmp_path / "killed").glob("*.pt"):
        assert 0 < load_tensors(checkpoint)["step"] < 60
    again, whole = (train_long(tmp_path / folder, cores) for folder in ("killed", "whole"))
    for one, expected in zip(again, whole, strict=True):
        same(one, expected)


class Finger:
    """Presses Ctrl-C, once, whichever process it is in."""

    def __init__(self, at_once: bool) -> None:
        self.at_once, self.parent, fork = at_once, os.getpid(), multiprocessing.get_context("fork")
        self.pressed_at, self.began_at, self.steps = fork.Value("d", 0), fork.Value("d", 0), fork.Value("q", 0)
        self.over_at = fork.Value("d", time.monotonic() + 20)  # no process outlives the test

    def press(self) -> None:
        with self.pressed_at.get_lock():
            if not self.pressed_at.value:
                self.pressed_at.value = time.monotonic()
                os.kill(self.parent, signal.SIGINT)

    def step(self) -> None:
        with self.steps.get_lock():
            self.steps.value += 1
            self.began_at.value = self.began_at.value or time.monotonic()
        if time.monotonic() - self.began_at.value > 0.2:
            self.press()

    def __deepcopy__(self, memo: dict[int, Any]) -> Finger:  # the first thing that a program does in its process
        if self.at_once:
            self.press()
        return self


@dataclass(frozen=True)
class Interrupted(Objective):
    """Goes on until Ctrl-C is pressed: when the first program is being made, or after a while."""

    finger: Finger

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        if time.monotonic() > self.finger.over_at.value:
            raise RuntimeError("the test is over")
        self.finger.step()
        return {"total": network().sum()}


def in_time(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def _listening() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run in the background, whose shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("how", "cores"), [("always", 1), ("always", 2), ("never", 2), ("never", 8)])
def test_ctrl_c_stops_every_process_and_saves(how: str, cores: int, at_once: bool, tmp_path: Path) -> None:
    """Or the threads, of which there is one where there is one core, and four where each has two cores."""
    torch.set_num_threads(cores)
    part, finger = {"y": torch.zeros(8)}, Finger(at_once)
    runs = [Run(f"seed{seed}", seed, Number(), Interrupted(finger), part, part, lr=0.1) for seed in range(4)]
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(runs, recipe(steps=10**9, evaluate_every=10**9, stack=how), scratch=tmp_path)
        assert time.monotonic() - finger.pressed_at.value < 2
        assert torch.get_num_threads() == cores
        assert in_time(lambda: not any("train" in thread.name for thread in threading.enumerate()), 5)
        assert not multiprocessing.active_children()
    finally:
        finger.over_at.value = 0
    saved = [load_tensors(path)["step"] for path in tmp_path.iterdir()]
    assert sum(saved) == finger.steps.value
    if not at_once:
        assert len(saved) == min(cores, 4)  # programs that had no process yet never began


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (signal.SIGKILL, "was ended by SIGKILL, most likely out of memory; run the same command again"),
        (signal.SIGTERM, "was ended by SIGTERM; run the same command again"),
        (
            signal.SIGSEGV,
            "was ended by SIGSEGV, a crash in native code; please report it with .*learned_symmetry.machine",
        ),
        (signal.SIGABRT, "was ended by SIGABRT, a crash in native code; please report it with .*run the same command"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_killed_process_is_told_and_training_goes_on_from_there(sent: int, told: str, tmp_path: Path) -> None:
    def train(folder: str) -> list[Fitted]:
        runs = [falling(f"run{n}", 100) for n in range(2)]
        return fit(runs, recipe(**STEP_BY_STEP, checkpoint_seconds=0, stack="never"), scratch=tmp_path / folder)

    with pytest.MonkeyPatch.context() as patch:
        losses = Fall.losses

        def killed(objective: Fall, network: Network, batch: Batch) -> dict[str, Tensor]:
            if len(list((tmp_path / "killed").glob("*.pt"))) == 2:
                faulthandler.disable()  # pytest's would print where
                signal.signal(sent, signal.SIG_DFL) if sent != signal.SIGKILL else None
                os.kill(os.getpid(), sent)
            return losses(objective, network, batch)

        patch.setattr(Fall, "losses", killed)
        with pytest.raises(UserError, match=told):
            train("killed")
    for again, expected in zip(train("killed"), train("undisturbed"), strict=True):
        same(again, expected)


def damaged(how: str, path: Path) -> None:
    if how == "a key missing":
        save_tensors(path, {key: value for key, value in load_tensors(path).items() if key != "progress"})
    elif how == "another network":
        save_tensors(path, load_tensors(path) | {"weights": {"other": torch.zeros(1, 2)}})
    else:
        whole = path.read_bytes()
        path.write_bytes(
            {"cut": whole[:-100], "empty": b"", "garbage": b"garbage" * 99, "a pickle": b"\x80\x02N."}[how]
        )


@pytest.mark.parametrize("how", ["cut", "empty", "garbage", "a pickle", "a key missing", "another network"])
def test_a_damaged_checkpoint_is_dropped_with_a_line_and_training_starts_afresh(
    how: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    how_to = recipe(**STEP_BY_STEP, checkpoint_seconds=0)
    expected = fit([falling("run", 100)], how_to, scratch=tmp_path / "undisturbed")
    fit([falling("run", 100)], replace(how_to, steps=how_to.steps // 2), scratch=tmp_path / "killed")
    (checkpoint,) = (tmp_path / "killed").glob("*.pt")
    damaged(how, checkpoint)
    assert capfd.readouterr().err == ""
    same(fit([falling("run", 100)], how_to, scratch=tmp_path / "killed")[0], expected[0])
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith(f"{checkpoint} was damaged (")
    assert told.endswith("and is removed; this training starts afresh\n")


def test_nothing_is_printed_where_no_one_watches(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit([falling("far", 100), falling("near", 3)], recipe(**STEP_BY_STEP), scratch=tmp_path)
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.usefixtures("two_threads")
def test_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    fit([falling(f"{n}", 100) for n in range(3)], recipe(**STEP_BY_STEP), scratch=tmp_path)
    assert torch.get_num_threads() == before


# ---- networks with running statistics --------------------------------------------------------------------------------


class Normed(nn.Module):
    """A convolution and a batch norm; no bias between them, whose gradient would be rounding alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 5, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


@dataclass(frozen=True)
class Counting(CrossEntropy):
    """Judged by how many batches the batch norm has seen: the fewer, the better."""

    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def score(self, network: Network, batch: Batch) -> Tensor:
        assert not network.module.training
        return network.module.norm.num_batches_tracked.to(batch["x"].dtype) + 0 * network(batch["x"]).sum()


def normed(seed: int, objective: Objective | None = None) -> Run:
    return on_images(seed, Normed, objective or CrossEntropy(), lr=0.1)


RESTORING = {"steps": 20, "evaluate_every": 1, "keep": PlateauRule(2, 0.5, 2, restore=True)}


@pytest.mark.usefixtures("in_float64")
def test_a_plateau_brings_running_statistics_back(tmp_path: Path) -> None:
    """Best after step 1; weights and statistics of then are there again after steps 3 and 5, the optimiser goes on."""
    run = normed(0, Counting())
    (done,) = fit([run], recipe(**RESTORING), scratch=tmp_path)
    assert [value for _, value in done.history["validation.loss"]] == [1, 2, 3, 2, 3, 2, 3]

    model = normed(0).network
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for step in range(7):
        rows = list(range(16 * step % 40, min(16 * step % 40 + 16, 40)))
        adam.zero_grad()
        loss = F.cross_entropy(model.train()(run.train["x"][rows]), run.train["y"][rows])
        loss.backward()
        adam.step()
        losses.append((step + 1, pytest.approx(loss.item(), abs=FLOAT64)))
        if step == 0:
            best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if step in (2, 4):
            model.load_state_dict(best)
            adam.param_groups[0]["lr"] /= 2
    assert done.history["loss.total"] == losses
    assert done.state.keys() == best.keys()
    for name, tensor in best.items():
        torch.testing.assert_close(done.state[name], tensor, rtol=0, atol=FLOAT64)
    assert done.state["norm.running_mean"].abs().min() > 0
    assert done.network().norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("make", [lambda seed: normed(seed, Counting()), normed], ids=["restored", "not restored"])
@pytest.mark.parametrize("steps", [2, 3, 5, 6])
def test_running_statistics_survive_a_kill(make: Make, steps: int, tmp_path: Path) -> None:
    """Between two checkpoints, and before and after a plateau."""
    kind = type(make(0).objective)
    how_to = recipe(**(RESTORING | {"steps": 8}), checkpoint_seconds=0, order="shuffled")

    def train(folder: str) -> list[Fitted]:
        return fit([make(0)], how_to, scratch=tmp_path / folder)

    undisturbed = train("undisturbed")
    with power_for(steps, kind), pytest.raises(RuntimeError, match="power cut"):
        train("killed")
    for again, expected in zip(train("killed"), undisturbed, strict=True):
        same(again, expected)


def test_networks_with_running_statistics_are_never_stacked(tmp_path: Path) -> None:
    how_to = recipe(steps=6, evaluate_every=3, stack="always")
    together = fit([normed(seed) for seed in range(3)], how_to, scratch=tmp_path / "all")
    assert len(list((tmp_path / "all").iterdir())) == 3
    for seed, done in enumerate(together):
        same(done, fit([normed(seed)], how_to, scratch=tmp_path / f"{seed}")[0])
        assert done.state["norm.num_batches_tracked"] == done.progress.best_step
    initial = normed(0).network.state_dict()  # a copy was trained
    for name, tensor in together[0].run.network.state_dict().items():
        assert torch.equal(tensor, initial[name]), name


# ---- training commutes with circular shifts of the data --------------------------------------------------------------


def shifted_teacher(shift: int) -> Run:
    train, valid, _ = mnist1d.splits(shift, 0, max_translation=1, validation=400, shifts_per_signal=1)
    parts = {"train": {"x": train.x, "y": train.y}, "valid": {"x": valid.x, "y": valid.y}}
    return a_run(0, Teacher, CrossEntropy(), lr=0.03, **parts)


def shifted_orbit_model(shift: int) -> Run:
    run, teacher = shifted_teacher(shift), seeded(Teacher, generator(0, "teacher"))
    weights = {f"weights.{name}": w for name, w in teacher.state_dict().items()}
    parts = {
        kind: part | {f"teacher.{name}": z for name, z in cached_features(teacher, part["x"], LAYERS).items()}
        for kind, part in (("train", run.train), ("valid", run.valid))
    }
    objective = LearnOrbit(ARCHITECTURE, 0.1, 10.0, 10.0, "inputs")
    return a_run(0, OrbitKernels, objective, lr=0.1, constants=weights, **parts)


@pytest.mark.parametrize("make", [shifted_teacher, shifted_orbit_model], ids=["teacher", "orbit model"])
def test_training_does_not_see_circular_shifts(make: Callable[[int], Run], tmp_path: Path) -> None:
    """A teacher, or an orbit model, of one shift limit is that of all: what `teacher_per: seed` relies on."""
    how_to = recipe(steps=40, evaluate_every=40, batch=100)
    still, moved = (fit([make(shift)], how_to, scratch=tmp_path / str(shift))[0] for shift in (0, 30))
    assert not torch.equal(still.run.train["x"], moved.run.train["x"])
    for name, weight in still.state.items():
        torch.testing.assert_close(moved.state[name], weight, rtol=0, atol=1e-4)
        assert (weight - still.run.network.state_dict()[name]).abs().max() > 1e-2
    for name, values in still.history.items():
        assert moved.history[name] == [(step, pytest.approx(value, abs=1e-3)) for step, value in values]
