"""Which runs of the training engine become one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from learned_symmetry.models import parameter_count
from learned_symmetry.runs import Recipe, Run

SMALL_TEACHER = 5e6  # examples x positions x weights of a frozen convolutional teacher: below it Python is the cost


def stacks(runs: Sequence[Run], recipe: Recipe, device: torch.device, cores: int) -> list[list[Run]]:
    """Runs that can be one program, together where that is faster; on a CPU in no fewer stacks than cores, if they can.

    Two stacks of one thread each are 1.4 times faster than one of two threads (benchmarks/test_engine.py). The largest
    come first: what is left at the end is short.
    """
    groups: dict[Any, list[Run]] = {}
    for number, run in enumerate(runs):
        wanted = recipe.stack == "always" or (recipe.stack == "auto" and _stacking_pays(run, recipe.batch, device))
        together = wanted and not buffers(run.network)  # running statistics are no function's output
        groups.setdefault(_shape(run) if together else number, []).append(run)
    made = []
    for group in groups.values():
        parts = -(-cores // len(groups)) if device.type == "cpu" else 1
        made += [group[part::parts] for part in range(min(parts, len(group)))]
    return sorted(made, key=len, reverse=True)


def buffers(module: nn.Module) -> dict[str, Tensor]:
    """What a state holds beside parameters, such as the running statistics of a batch norm."""
    parameters = dict(module.named_parameters())
    return {name: tensor for name, tensor in module.state_dict().items() if name not in parameters}


def _stacking_pays(run: Run, batch: int, device: torch.device) -> bool:
    """Measured (benchmarks/test_engine.py): on a CPU not for networks that convolve, nor where a frozen teacher does
    much of it."""
    teachers = [value for value in vars(run.objective).values() if isinstance(value, nn.Module) and _convolves(value)]
    positions = run.train["x"][0, 0].numel()
    small = all(batch * positions * parameter_count(teacher) < SMALL_TEACHER for teacher in teachers)
    return device.type == "cuda" or (small and not _convolves(run.network))


def _convolves(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.conv._ConvNd) or getattr(m, "convolves", False) for m in network.modules())


def _shape(run: Run) -> Any:
    """Equal for runs that can be stacked: same structure, same tensors' shapes, same settings but for numbers."""
    tensors = [
        (kind, name, tuple(t.shape[1:] if kind in ("train", "valid") else t.shape))
        for kind, group in (
            ("weights", run.network.state_dict()),
            ("train", run.train),
            ("valid", run.valid),
            ("constants", run.constants),
        )
        for name, t in group.items()
    ]
    settings = [(f.name, getattr(run.objective, f.name)) for f in fields(run.objective)]
    fixed = [
        (name, id(value) if isinstance(value, nn.Module) else value)
        for name, value in settings
        if not isinstance(value, float)
    ]
    sizes = (len(run.train["y"]), len(run.valid["y"]))
    plain = [  # str(network) does not show settings such as a head's activation
        (name, type(module), sorted((k, repr(v)) for k, v in vars(module).items() if not k.startswith("_")))
        for name, module in run.network.named_modules()
    ]
    return repr((type(run.objective), fixed, plain, tensors, sizes, run.augment, run.prepare))
