"""The training engine: many runs as one program.

A run is a network, an objective, data and a seed. Runs of one shape are stacked: their weights get a leading run axis,
`torch.vmap` maps the objective over it, and each run keeps its own batches, random streams, learning rate, plateau
count and end. Looping is the same program with one run a stack. What a run draws depends on its seed and step alone
(`rng`), so its result depends neither on its neighbours nor on whether the program was killed and started again.
"""

from __future__ import annotations

import copy
import ctypes
import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm

from learned_symmetry.checkpoint import load_tensors, resumed, save_tensors
from learned_symmetry.models import Dropout, Network, masks
from learned_symmetry.models.pooled import PooledLinear
from learned_symmetry.optimiser import Moments
from learned_symmetry.plateau import Progress
from learned_symmetry.pool import Pool
from learned_symmetry.rng import generator
from learned_symmetry.runs import Fitted, Recipe, Run
from learned_symmetry.stacking import buffers, stacks
from learned_symmetry.workers import Watch, share

M_KEEP = {-3: 1 << 25, -1: 1 << 30, -2: 1 << 26, -8: 1}  # malloc.h: mmap threshold, trim threshold, top pad, arenas
VALIDATED = 1000  # examples at once


def fit(
    runs: Sequence[Run], recipe: Recipe, *, scratch: Path, device: torch.device | None = None, label: str = "runs"
) -> list[Fitted]:
    """Train `runs` and return them in order.

    `scratch` holds checkpoints: called again with the same runs after a kill, training goes on from the last one. A run
    whose loss is not finite is dropped with its reason; the others go on.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise ValueError(f"run names must be unique: {names}")
    device = device or torch.device("cpu")
    cores = torch.get_num_threads()
    parts = stacks(runs, recipe, device, cores)
    workers = min(len(parts), cores) if device.type == "cpu" else 1
    checkpoints = [scratch / _checkpoint_name(stack) for stack in parts]

    def train(number: int, watch: Watch) -> None:
        _Stack(parts[number], recipe, device, checkpoints[number]).train(watch)

    _keep_freed_memory()
    total = len(runs) * recipe.steps
    with tqdm(total=total, desc=label, unit="step", disable=not sys.stderr.isatty(), leave=False) as bar:
        share(train, len(parts), workers, cores // workers, bar.update)
    fitted = {done.run.name: done for part in zip(parts, checkpoints, strict=True) for done in _fitted(*part)}
    return [fitted[name] for name in names]


def _keep_freed_memory() -> None:
    """Let glibc keep what one step frees for the next, instead of giving it back and faulting it in page by page.

    5 to 8 % of a stacked step on a CPU. Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in M_KEEP.items():
            mallopt(setting, value)


def _checkpoint_name(stack: list[Run]) -> str:
    """By its runs, because another number of cores makes other stacks."""
    return hashlib.sha256("\n".join(run.name for run in stack).encode()).hexdigest()[:16] + ".pt"


class _Stack:
    """Runs of one shape on their way; `active` are the numbers of those that still train."""

    def __init__(self, runs: list[Run], recipe: Recipe, device: torch.device, checkpoint: Path) -> None:
        self.runs, self.recipe, self.device, self.checkpoint = runs, recipe, device, checkpoint
        # Copies, because stacks may be trained by threads and a functional call swaps a module's weights in place
        self.module = copy.deepcopy(runs[0].network).to(device)
        self.objective = copy.deepcopy(runs[0].objective)
        self.augment, self.prepare = runs[0].augment, runs[0].prepare
        self.length = len(runs[0].train["y"])
        self.buffers = buffers(self.module)  # of the one run that has any; they change in place
        watched = getattr(self.objective, "layers", ())
        self.by_rows = {
            f"{name}.weight"
            for name, part in self.module.named_modules()
            if isinstance(part, PooledLinear) and name not in watched
        }
        self.drops = any(isinstance(part, Dropout) for part in self.module.modules())
        pools = [{k: Pool([getattr(r, kind)[k] for r in runs], device) for k in getattr(runs[0], kind)}
                 for kind in ("train", "valid", "constants")]  # fmt: skip
        self.train_pool, self.valid_pool, self.constant_pool = pools
        self.numbers = {
            f.name: torch.tensor([float(getattr(r.objective, f.name)) for r in runs], device=device)
            for f in fields(self.objective)
            if isinstance(getattr(self.objective, f.name), float)
        }
        self.step, self.began = 0, time.time()
        self.progress = [Progress(lr=run.lr) for run in runs]
        self.history: list[dict[str, list[tuple[int, float]]]] = [{} for _ in runs]
        self.ended_at = [0 for _ in runs]
        self.kept: list[dict[str, Tensor]] = [_copy(run.network.state_dict()) for run in runs]
        weights = [dict(run.network.named_parameters()) for run in runs]
        self.active = list(range(len(runs)))
        self._stack({name: torch.stack([w[name].detach() for w in weights]).to(device) for name in weights[0]})

    # ---- weights and optimiser -------------------------------------------------------------------------------------

    def _stack(self, weights: dict[str, Tensor], moments: Moments | None = None) -> None:
        """Take (active, ...) weights, and the optimiser's moments of them where it has any.

        Each weight lies in memory as its gradient arrives: that of a batched linear layer transposed.
        """
        self.names = list(weights)
        self.leaves = [self._turned(name, w).detach().clone(memory_format=torch.contiguous_format).requires_grad_()
                       for name, w in weights.items()]  # fmt: skip
        self.moments = moments or self.recipe.optimiser.moments(self.leaves)
        self.decays = [self.runs[number].weight_decay for number in self.active]
        self.numbers_now = {name: values[self._index()] for name, values in self.numbers.items()}
        self.constants_now = {k: pool.whole(self._index()) for k, pool in self.constant_pool.items()}

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights of the active runs by name, (active, ...), in the module's own layout."""
        return {name: self._turned(name, leaf) for name, leaf in zip(self.names, self.leaves, strict=True)}

    def _turned(self, name: str, weight: Tensor) -> Tensor:
        """From the module's layout to that in memory, and back."""
        return weight.mT if weight.dim() == 3 and name not in self.by_rows else weight

    def _index(self) -> Tensor:
        return torch.tensor(self.active, dtype=torch.long, device=self.device)

    def _minimise(self, losses: Tensor) -> None:
        """One step of every run; the gradient of the sum is each run's own, for no run reads another's weights."""
        losses.sum().backward()
        rates = [self._rate(number) for number in self.active]
        self.step += 1
        self.recipe.optimiser.update(self.leaves, self.moments, self.step, rates, self.decays)
        for leaf in self.leaves:
            leaf.grad = None

    def _rate(self, number: int) -> float:
        """The learning rate of a run in its next step."""
        return self.progress[number].lr * self.recipe.schedule.share(self.step)

    def _state(self, place: int) -> dict[str, Tensor]:
        return _copy({name: w[place] for name, w in self.weights.items()} | self.buffers)

    @torch.no_grad()
    def _restore(self, place: int, state: dict[str, Tensor]) -> None:
        for name, weights in self.weights.items():
            weights[place].copy_(state[name])
        for name, buffer in self.buffers.items():
            buffer.copy_(state[name])

    # ---- one program for all runs ----------------------------------------------------------------------------------

    def _map(self, what: Literal["losses", "score"], batch: dict[str, Tensor]) -> Any:
        """``objective.losses`` or ``.score`` for every active run: values with a leading run axis."""
        training = what == "losses"
        self.module.train(training)

        def program(weights: dict[str, Tensor], numbers: dict[str, Tensor], batch: dict[str, Tensor]) -> Any:
            objective = replace(self.objective, **numbers)
            objective = objective.at(self.step) if training else objective
            return getattr(objective, what)(Network(self.module, weights), batch)

        weights = self.weights | (self._masks(len(batch["y"][0])) if training and self.drops else {})
        arguments = (weights, self.numbers_now, batch | self.constants_now)
        if len(self.active) > 1:
            return torch.vmap(program, randomness="error")(*arguments)
        value = program(*({name: t.squeeze(0) for name, t in argument.items()} for argument in arguments))
        return {k: v.unsqueeze(0) for k, v in value.items()} if isinstance(value, dict) else value.unsqueeze(0)

    def _batch(self) -> dict[str, Tensor]:
        index = torch.stack([self._rows(self.runs[number].seed) for number in self.active]).to(self.device)
        batch = {name: pool.rows(self._index(), index) for name, pool in self.train_pool.items()}
        if self.augment is not None:
            streams = [generator(self.runs[number].seed, "augmentation", self.step) for number in self.active]
            seen = map(self.augment, batch["x"], batch["y"], streams)
            batch["x"], batch["y"] = map(torch.stack, zip(*seen, strict=True))
        return self._prepared(batch) | self._draws(index.shape[1], "train", self.step)

    def _prepared(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.prepare is not None:
            batch["x"] = self.prepare(batch["x"])
        if self.recipe.channels_last and len(self.active) == 1:
            batch["x"] = batch["x"][0].contiguous(memory_format=torch.channels_last).unsqueeze(0)
        return batch

    def _rows(self, seed: int) -> Tensor:
        """Which examples this step sees: in order, cyclic, cut at the end of the set (nix2022 D6), or shuffled."""
        batch, length = self.recipe.batch, self.length
        if self.recipe.order == "sequential":
            first = self.step * batch % length
            return torch.arange(first, min(first + batch, length))
        epoch, place = divmod(self.step, -(-length // batch))
        return _order(seed, epoch, length)[place * batch : (place + 1) * batch]

    def _draws(self, size: int, *purpose: str | int) -> dict[str, Tensor]:
        draws = [
            self.objective.draw(generator(self.runs[number].seed, "draws", *purpose), size) for number in self.active
        ]
        return {name: torch.stack([draw[name] for draw in draws]).to(self.device) for name in draws[0]}

    def _masks(self, size: int) -> dict[str, Tensor]:
        """What each run drops in this step."""
        rows = size * self.objective.passes
        drawn = [
            masks(self.module, rows, generator(self.runs[number].seed, "dropout", self.step, device=self.device))
            for number in self.active
        ]
        return {name: torch.stack([mask[name] for mask in drawn]) for name in drawn[0]}

    # ---- the loop --------------------------------------------------------------------------------------------------

    def train(self, watch: Watch) -> None:
        """To the end, or until it is stopped; what came of it is in the checkpoint."""
        self._resume()
        watch.update(self.step * len(self.active) + sum(self.recipe.steps for p in self.progress if p.ended))
        saved = time.monotonic()
        while self.active and not watch.stopped():
            with torch.autocast("cuda", torch.bfloat16, enabled=self.recipe.bfloat16 and self.device.type == "cuda"):
                losses = self._map("losses", self._batch())
            self._minimise(losses["total"])
            watch.update(len(self.active))
            if self.step % self.recipe.evaluate_every == 0 or self.step == self.recipe.steps:
                self._evaluate({name: value.detach() for name, value in losses.items()}, watch)
                if self.active and time.monotonic() - saved >= self.recipe.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
        self._save()

    @torch.no_grad()
    def _evaluate(self, losses: dict[str, Tensor], watch: Watch) -> None:
        """Validate, move each run along its schedule, and let the runs that ended leave the stack."""
        values = self._validate()
        parts = {name: value.tolist() for name, value in losses.items()}
        stays = []
        for place, number in enumerate(self.active):
            progress, seen = self.progress[number], {f"loss.{name}": part[place] for name, part in parts.items()}
            plateaus = progress.plateaus
            if not all(map(_finite, [values[place], *seen.values()])):
                progress.ended = f"the loss was not finite at step {self.step}"
            elif progress.see(values[place], self.step, self.objective.selects, self.recipe.keep):
                self.kept[number] = self._state(place)
            if progress.plateaus > plateaus and self.recipe.keep.restore:
                self._restore(place, self.kept[number])
            if progress.ended is None and self.step >= self.recipe.steps:
                progress.ended = "steps"
            seen |= {f"validation.{self.objective.selects}": values[place], "lr": self._rate(number)}
            for name, value in seen.items():
                self.history[number].setdefault(name, []).append((self.step, value))
            if progress.ended is None:
                stays.append(place)
            else:
                self.ended_at[number] = self.step
                watch.update(self.recipe.steps - self.step)
        if len(stays) < len(self.active):
            rest = torch.tensor(stays, dtype=torch.long, device=self.device)
            self.active = [self.active[place] for place in stays]
            moments = [[moment[rest] for moment in kind] for kind in self.moments]
            self._stack({name: w.detach()[rest] for name, w in self.weights.items()}, moments)

    def _validate(self) -> list[float]:
        """Each active run's score on its validation set, chunk by chunk."""
        size, total = len(self.runs[0].valid["y"]), torch.zeros(len(self.active), device=self.device)
        for chunk, rows in enumerate(torch.arange(size, device=self.device).split(VALIDATED)):
            index = rows.expand(len(self.active), -1)
            batch = self._prepared({name: pool.rows(self._index(), index) for name, pool in self.valid_pool.items()})
            draws = self._draws(len(rows), "validation", self.step, *([chunk] if chunk else []))
            total = total + self._map("score", batch | draws) * (len(rows) / size)
        return total.tolist()

    # ---- checkpoints -----------------------------------------------------------------------------------------------

    def _content(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "active": self.active,
            "weights": {name: w.detach() for name, w in self.weights.items()},
            "buffers": self.buffers,
            "moments": self.moments,
            "kept": self.kept,
            "progress": [progress.as_dict() for progress in self.progress],
            "history": self.history,
            "ended_at": self.ended_at,
            "trained": [self.began, time.time()],
        }

    def _save(self) -> None:
        save_tensors(self.checkpoint, self._content())

    def _resume(self) -> None:
        saved = resumed(self.checkpoint, self.device, like=self._content())
        if saved is None:
            return
        self.step, self.active, self.kept = saved["step"], saved["active"], saved["kept"]
        self.began = saved["trained"][0]
        self.progress = [Progress(**progress) for progress in saved["progress"]]
        self.history, self.ended_at = saved["history"], saved["ended_at"]
        for name, buffer in self.buffers.items():
            buffer.copy_(saved["buffers"][name])
        self._stack(saved["weights"], saved["moments"])


def _fitted(runs: list[Run], checkpoint: Path) -> list[Fitted]:
    """What came of a stack that was trained to its end."""
    saved = load_tensors(checkpoint)
    progress = [Progress(**progress) for progress in saved["progress"]]
    began, ended = saved["trained"]
    return [
        Fitted(*one, trained=(began, ended))
        for one in zip(runs, saved["kept"], progress, saved["ended_at"], saved["history"], strict=True)
    ]


@lru_cache(maxsize=64)
def _order(seed: int, epoch: int, length: int) -> Tensor:
    """The examples of an epoch, shuffled; kept until the epoch's end."""
    return torch.randperm(length, generator=generator(seed, "order", epoch))


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _finite(value: float) -> bool:
    return -float("inf") < value < float("inf")
