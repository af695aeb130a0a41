"""What the benchmarks share: the race of two forms, the experiment with untrained teachers, a step of the engine.

A form is a function without arguments that returns its results by name. Forms that are compared run one after the other
in each round, so that what else the machine does falls on both, but each in a process of its own: how fast a step is
depends on how the C allocator is set and on what was allocated before, and the plain way has nobody who sets it.
"""

from __future__ import annotations

import copy
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from learned_symmetry import config, models, transfer
from learned_symmetry.adam import Adam
from learned_symmetry.fit import Recipe, Run, _keep_freed_memory, _Stack
from learned_symmetry.models import mnist1d as networks
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.plateau import PlateauRule
from learned_symmetry.rng import generator
from learned_symmetry.shift_orbit import orbit_run
from learned_symmetry.shift_transfer import Experiment

Result = dict[str, Tensor]  # what two forms must agree on: "loss" (runs,) and each weight's gradient (runs, ...)
Form = Callable[[], Result]
Clock = Callable[[], float]
CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5  # of a tensor's largest entry


# ---- the race ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Race:
    """Medians over rounds, in milliseconds; `ratio` is how many times faster than the nearest rival."""

    ms: float
    rivals_ms: dict[str, float]
    ratio: float | None
    at_least: float | None
    error: float | None

    def check(self) -> None:
        assert self.error is None or self.error <= TOLERANCE, f"the forms differ by {self.error:.1e}"
        if self.at_least is not None and self.ratio is not None:
            assert self.ratio >= self.at_least, f"{self.ratio:.2f} times faster; required are {self.at_least}"


def group(name: str, clock: Clock = time.process_time) -> pytest.MarkDecorator:
    """A table of the report. Times are CPU seconds of the process unless `clock` says otherwise."""
    return pytest.mark.benchmark(group=name, timer=clock)


def race(
    benchmark: Any,
    form: Form,
    rivals: Mapping[str, Form],
    *,
    at_least: float | None = None,
    rounds: int = 9,
    clock: Clock = time.process_time,
    error: float | None = None,
    isolated: bool = True,
) -> Race:
    """Time `form`, in each round right after its rivals, which must return what it returns.

    The ratio to a rival is the median over rounds of the ratio of the two times. Forms that change their weights are
    compared by the caller, who gives the `error`.
    """
    runners = {name: runner(made, isolated) for name, made in {"": form, **rivals}.items()}
    result, *others = [send(None) for send in runners.values()]  # warms up, too
    if error is None:
        error = max((difference(result, other) for other in others), default=None)
    times: dict[str, list[float]] = {name: [] for name in runners}

    def time_rivals() -> None:
        for name in rivals:
            times[name].append(runners[name](clock))

    benchmark.pedantic(lambda: times[""].append(runners[""](clock)), setup=time_rivals, rounds=rounds)
    ours, theirs = times.pop(""), times
    ratios = [statistics.median(b / a for a, b in zip(ours, rival, strict=True)) for rival in theirs.values()]
    found = Race(
        ms=1e3 * statistics.median(ours),
        rivals_ms={name: 1e3 * statistics.median(rival) for name, rival in theirs.items()},
        ratio=min(ratios, default=None),
        at_least=at_least if benchmark.enabled else None,  # one round says nothing
        error=error,
    )
    benchmark.extra_info.update(vars(found))
    return found


def runner(form: Form, isolated: bool) -> Callable[[Clock | None], Any]:
    """``run(None)`` is what the form returns, ``run(clock)`` the seconds that it takes, here or in a forked process."""

    def run(clock: Clock | None) -> Any:
        if clock is None:
            return form()
        start = clock()
        form()
        return clock() - start

    if not isolated:
        return run
    here, there = multiprocessing.Pipe()

    def serve() -> None:
        while True:
            try:
                asked = there.recv()
            except EOFError:
                return
            answer = run(asked)
            there.send({name: t.detach().numpy() for name, t in answer.items()} if asked is None else answer)

    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()
    there.close()

    def ask(clock: Clock | None) -> Any:
        here.send(clock)
        answer = here.recv()
        return {name: torch.from_numpy(t) for name, t in answer.items()} if clock is None else answer

    return ask


def difference(result: Result, reference: Result) -> float:
    """The largest of max |a - b| / max |b| over the named tensors."""
    assert result.keys() == reference.keys(), "two forms return different things"
    return max(((result[name] - b).abs().max() / b.abs().max()).item() for name, b in reference.items())


@contextmanager
def threads(number: int) -> Iterator[None]:
    """PyTorch with that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---- the experiment ------------------------------------------------------------------------------------------------


class Untrained(Experiment):
    """MNIST-1D at the papers' own sizes, with teachers as they are initialised: no stage need have run."""

    def _teacher(self, name: str) -> nn.Module:
        teacher = models.seeded(networks.Teacher, generator(0, "teacher", name))
        return teacher.requires_grad_(False).eval()


@lru_cache(maxsize=1)
def experiment() -> Untrained:
    return Untrained(config.load("nix2022", ROOT / "params.yaml", scale="full"))


def _grid(count: int) -> Iterator[tuple[int, int]]:
    """Shift limits and seeds of `count` runs, all shift limits of a seed first."""
    return islice(((shift, seed) for seed, shift in product(range(count), experiment().cfg.shifts)), count)


def student_runs(count: int, method: str = "kd", head: str = "pooling") -> list[Run]:
    """Students, each with its own data, as ``stages/nix2022/transfer.py`` makes them."""
    settings = experiment().cfg.methods[method].head(head)
    objective = transfer.method(method, settings.model_dump(), f"nix2022.methods.{method}")
    return [
        experiment().student_run(
            f"s{shift}/seed{seed}", head, shift, seed, objective, settings.lr, settings.weight_decay
        )
        for shift, seed in _grid(count)
    ]


def teacher_runs(count: int) -> list[Run]:
    """Convolutional teachers, as ``stages/nix2022/teacher.py`` makes them."""
    return [
        Run(
            name=f"s{shift}/seed{seed}",
            seed=seed,
            network=models.seeded(networks.Teacher, generator(seed, "teacher")),
            objective=CrossEntropy(),
            train=experiment().signals(shift, seed).part("train"),
            valid=experiment().signals(shift, seed).part("valid"),
            lr=experiment().cfg.teacher.lr,
        )
        for shift, seed in _grid(count)
    ]


def orbit_runs(count: int) -> list[Run]:
    """Orbit models, as ``stages/nix2022/orbit.py`` makes them."""
    orbit = experiment().cfg.orbit
    return [
        orbit_run(experiment(), f"s{shift}/seed{seed}", shift, seed, orbit.pooling.weights, orbit.lr)
        for shift, seed in _grid(count)
    ]


# ---- the engine ----------------------------------------------------------------------------------------------------


def recipe(batch: int, steps: int = 1, stack: Any = "always") -> Recipe:
    optimiser = experiment().cfg.optimiser
    return Recipe(
        steps=steps,
        batch=batch,
        evaluate_every=steps,
        keep=PlateauRule(steps, optimiser.decay, optimiser.plateaus, optimiser.plateau_rule),
        optimiser=Adam((optimiser.beta1, optimiser.beta2), optimiser.eps),
        order="sequential",
        stack=stack,
    )


class EngineStep:
    """A form: losses and gradients of stacked runs, as the engine computes them, of the first batch; no update."""

    def __init__(self, runs: Sequence[Run], batch: int) -> None:
        self.stack = _Stack(list(runs), recipe(batch), CPU, Path("not written"))

    def __call__(self) -> Result:
        _keep_freed_memory()  # as `fit` does
        stack = self.stack
        losses = stack._map("losses", stack._batch())["total"]
        losses.sum().backward()
        gradients = {}
        for name, leaf in zip(stack.names, stack.leaves, strict=True):
            gradients[name] = stack._turned(name, leaf.grad)
            leaf.grad = None
        return {"loss": losses.detach(), **gradients}

    def train(self) -> Result:
        """A form, too: the step with its update, of which nothing is returned."""
        _keep_freed_memory()
        self.stack._minimise(self.stack._map("losses", self.stack._batch())["total"])
        return {}

    def batch(self, run: int = 0) -> Result:
        """What the losses of one run see: data, cached activations, draws."""
        return {name: tensor[run] for name, tensor in self.stack._batch().items()}


def backward(loss: Tensor, network: nn.Module) -> Result:
    """Loss and gradients of one run, from plain backpropagation, in the form of `EngineStep`."""
    loss.backward()
    gradients = {name: weight.grad.unsqueeze(0) for name, weight in network.named_parameters()}
    network.zero_grad(set_to_none=True)
    return {"loss": loss.detach().unsqueeze(0), **gradients}


def live_teacher() -> nn.Module:
    """The teacher of the first run, ready to be trained: it takes part in the graph, as where nobody froze it."""
    teacher = networks.Teacher()
    teacher.load_state_dict(experiment().teacher(experiment().teacher_name(0, 0)).state_dict())
    return teacher


def copied(network: nn.Module) -> nn.Module:
    """A network of its own, for forms that train."""
    return copy.deepcopy(network)
