"""Training on many devices, for what is too much for one: ResNet-50 on ImageNet (bokman2023, Section 4.2).

Each process that `torchrun` started has a copy of the network and sees its own part of every batch; their gradients are
averaged (DistributedDataParallel). What is seen depends on the seed and the step alone, so training that was killed
goes on from the last whole epoch and, on as many processes, ends as if it never had been.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from learned_symmetry.checkpoint import resumed, save_tensors
from learned_symmetry.data.imagenet import Pictures
from learned_symmetry.errors import UserError
from learned_symmetry.objective import Objective
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Schedule

History = dict[str, list[tuple[int, float]]]  # loss -> (step, mean over the epoch that ended there)


@dataclass(frozen=True)
class Place:
    """This process among all of them."""

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether it is the one that reads and writes files."""
        return self.rank == 0


@contextmanager
def together() -> Iterator[Place]:
    """Meet the other processes of `torchrun`, by NCCL on GPUs and by gloo on CPUs, and part from them at the end.

    Raises `UserError` where `torchrun` has not started this process.
    """
    if not dist.is_torchelastic_launched():
        raise UserError("this training is started with torchrun; `--help` shows how")
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True)
class Training:
    """SGD with momentum and an L2 term; `batch` is that of all processes together."""

    epochs: int
    batch: int
    lr: float
    momentum: float
    weight_decay: float
    workers: int  # processes that read images, for each that trains
    bfloat16: bool  # autocast of the steps; no effect but on CUDA


def train(
    network: nn.Module,
    objective: Objective,
    images: Pictures,
    training: Training,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path,
    place: Place,
) -> tuple[dict[str, Tensor], History]:
    """Train `network` in place; returns its weights on the CPU and the losses by epoch.

    An epoch's last images are left out where they fill no batch. Raises `UserError` where a batch has no equal parts,
    where the images fill none, and where a loss is not finite.
    """
    length, processes = len(images), place.processes
    if training.batch % processes:
        raise UserError(f"a batch of {training.batch} has no equal parts for {processes} processes; change either")
    if length < training.batch:
        raise UserError(f"{length} images do not fill one batch of {training.batch}; give more, or a smaller batch")
    network.to(place.device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(
        network.parameters(), training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )
    first, history = _resumed(checkpoint, network, optimiser, place)
    on_gpu = place.device.type == "cuda"
    parallel = DistributedDataParallel(network, device_ids=[place.device.index] if on_gpu else None).train()
    steps = length // training.batch  # an epoch
    for epoch in range(first, training.epochs):
        rows = torch.randperm(length, generator=generator(seed, "order", epoch))[: steps * training.batch]
        mine = rows.view(steps, processes, -1)[:, place.rank].tolist()
        images.set_epoch(epoch)
        loader = DataLoader(images, batch_sampler=mine, num_workers=training.workers, pin_memory=on_gpu)
        sums: dict[str, Tensor] = {}
        for step, (x, y) in enumerate(loader, start=epoch * steps):
            for group in optimiser.param_groups:
                group["lr"] = training.lr * schedule.share(step)
            batch = {"x": x.to(place.device, memory_format=torch.channels_last), "y": y.to(place.device)}
            with torch.autocast("cuda", torch.bfloat16, enabled=training.bfloat16 and on_gpu):
                losses = objective.at(step).losses(parallel, batch)
            optimiser.zero_grad()
            losses["total"].backward()
            optimiser.step()
            sums = {name: sums.get(name, 0.0) + loss.detach().float() for name, loss in losses.items()}
        for name, total in sums.items():
            dist.all_reduce(total)
            mean = (total / (steps * processes)).item()
            if not math.isfinite(mean):
                raise UserError(f"the loss {name} was not finite in epoch {epoch + 1}; a lower learning rate may help")
            history.setdefault(name, []).append(((epoch + 1) * steps, mean))
        if place.leads:
            print(f"epoch {epoch + 1} of {training.epochs}: loss {history['total'][-1][1]:.4f}", flush=True)
            kept = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            save_tensors(checkpoint, {"epochs": epoch + 1, "history": history, **kept})
    return {name: tensor.cpu() for name, tensor in network.state_dict().items()}, history


def _resumed(
    checkpoint: Path, network: nn.Module, optimiser: torch.optim.Optimizer, place: Place
) -> tuple[int, History]:
    """Go on from where the leading process's checkpoint says; the others may lie on machines that have none."""
    told: list[Any] = [None]
    if place.leads:
        like = {"epochs": 0, "history": None, "network": network.state_dict(), "optimiser": None}
        told = [resumed(checkpoint, "cpu", like)]
    dist.broadcast_object_list(told, device=place.device)
    if told[0] is None:
        return 0, {}
    network.load_state_dict(told[0]["network"])
    optimiser.load_state_dict(told[0]["optimiser"])
    return told[0]["epochs"], told[0]["history"]
