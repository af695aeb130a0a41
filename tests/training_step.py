"""One training step of every network that some scale of params.yaml configures, with oneDNN and without.

    python -m tests.training_step      # a line a network: the relative difference of the gradients, and the network

A process of its own, because oneDNN looks at ONEDNN_MAX_CPU_ISA once, and what it does wrong may end the process.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import config, flip_resnets, flip_vgg, genuine_invariance, symmetry_cloning
from learned_symmetry.cifar10_networks import KINDS, Photographs
from learned_symmetry.cloning.clone import Clone
from learned_symmetry.cloning.mixer import mixer_runs
from learned_symmetry.config.huang2024 import Group
from learned_symmetry.data import imagenet, sources
from learned_symmetry.image_transfer import SETTINGS
from learned_symmetry.mnist6_networks import TASKS, Digits
from learned_symmetry.models.bottleneck import STEM, BottleneckResNet
from learned_symmetry.models.mnist1d import LENGTH, Student, Teacher
from learned_symmetry.rng import generator
from learned_symmetry.simsiam import SimSiam
from learned_symmetry.small_networks import small_network

Shapes = tuple[tuple[int, ...], ...]  # of the inputs
Configured = tuple[str, nn.Module, Shapes, bool]  # name, network, inputs, whether they are laid out channels-last


def nix2022(cfg: Any, batch: int) -> Iterator[Configured]:
    signal = ((batch, 1, LENGTH),)
    yield "teacher", Teacher(), signal, False
    for head in cfg.heads:
        yield f"student {head}", Student(head, cfg.student.relu_before_linear_head), signal, False
    for name in cfg.images.settings:
        for part in ("teacher", "student"):
            yield f"{name} {part}", getattr(SETTINGS[name], part)(cfg), ((batch, 1, 28, 28),), False


def moskalev2023(cfg: Any, batch: int) -> Iterator[Configured]:
    experiment = genuine_invariance.Experiment(cfg)
    for group in genuine_invariance.GROUPS:
        for kind in ("WT", "DA"):
            yield f"{group} {kind}", experiment.network(kind, group, 0), ((batch, 1, *[experiment.side] * 2),), False


def huang2024(cfg: Any, batch: int) -> Iterator[Configured]:
    symmetry_cloning.load_clone = lambda cfg, _group, layer, size, blocks, _seed: Clone(layer, size, blocks)
    for group in get_args(Group):
        experiment = symmetry_cloning.Experiment(cfg, group)
        shape = ((batch, 1, experiment.size, experiment.size),)
        for task in ("symmetry", "breaking"):
            yield f"{group} {task} mlp", experiment.mlp(task, 0), shape, False
            yield f"{group} {task} convolution", experiment.convolution(task, 0), shape, False
            for blocks in cfg.cloning.blocks:
                cloned = experiment.cloned(task, 0, blocks, frozen=False)
                yield f"{group} {task} cloned {blocks}", cloned, shape, False
    for target in ("t2", "so2"):
        run = mixer_runs(cfg, target, torch.device("cpu"))[0]
        drawn = replace(run.objective, kernels=2).draw(generator(0, "draws"), 2)
        yield f"mixer {target}", run.network, tuple(tuple(t.shape) for t in drawn.values()), False


def bruintjes2023(cfg: Any, batch: int) -> Iterator[Configured]:
    digits, photographs = Digits(cfg), Photographs(cfg)
    for task in TASKS:
        yield task, digits.network(task, 0), ((batch, 1, 28, 28),), False
    for kind in KINDS:
        yield kind, photographs.network(kind, 0), ((batch, 3, 32, 32),), cfg.cifar10.channels_last
    for name in cfg.small.networks:
        yield name, small_network(cfg, name, 0), ((batch, 3, 32, 32),), False


def bokman2023(cfg: Any, batch: int) -> Iterator[Configured]:
    side, small, large = cfg.vgg.training.image_size, cfg.resnet.small, cfg.resnet.imagenet
    for kind in flip_vgg.KINDS:
        yield kind, flip_vgg.Experiment(cfg).network(kind, 0), ((batch, 3, side, side),), False
    network = flip_resnets.Experiment(cfg).network
    for size in small.sizes:
        shape = ((batch, 3, size, size),)
        sizes = network(0).fc.in_features, small.simsiam.out, small.simsiam.hidden
        yield f"resnet {size}", network(0), shape, False
        views = ((max(8, batch), 3, size, size),)  # of two rows a norm makes signs
        yield f"simsiam {size}", SimSiam(network(0), *sizes), views, False
    for size in (224, 225):
        made = BottleneckResNet(large.blocks, large.width, imagenet.CLASSES, STEM)
        yield f"imagenet {size}", made.to(memory_format=torch.channels_last), ((2, 3, size, size),), True


def configured() -> Iterator[Configured]:
    """Each once, whatever scales have it. What it is trained on does not matter: nothing is read."""
    sources.settled = lambda name, _: sources.Source(name, "stand-in", None)
    seen = set()
    for paper in (nix2022, moskalev2023, huang2024, bruintjes2023, bokman2023):
        for scale in config.SCALES:
            batch = 2 if scale == "full" else 8  # the papers' own networks are large
            for name, network, shapes, last in paper(config.load(paper.__name__, scale=scale), batch):
                sizes = [tuple(weight.shape) for weight in network.state_dict().values()]
                if (key := f"{network} {sizes} {shapes} {last}") not in seen:
                    seen.add(key)
                    yield f"{paper.__name__}.{scale} {name}", network, shapes, last


def gradients(network: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Of a weighted sum of the outputs, in training mode, for every parameter that has one."""
    network.zero_grad()
    given = network(*inputs)
    parts = given if isinstance(given, tuple) else (given,)
    weights = [torch.randn(part.shape, generator=generator(0, "weights", n)) for n, part in enumerate(parts)]
    sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True)).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def difference(network: nn.Module, shapes: Shapes, channels_last: bool) -> float:
    """Between the gradients by oneDNN and those without it: the largest of a parameter's, relative to its norm."""
    inputs = tuple(torch.randn(shape, generator=generator(0, "input", n)) for n, shape in enumerate(shapes))
    if channels_last:
        inputs = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
    network.train()
    found = gradients(network, inputs)
    with torch.backends.mkldnn.flags(enabled=False):
        expected = gradients(network, inputs)
    whole = torch.stack([gradient.norm() for gradient in expected.values()]).norm()
    return max(
        ((found[name] - gradient).norm() / torch.maximum(gradient.norm(), 1e-2 * whole)).item()
        for name, gradient in expected.items()
    )


if __name__ == "__main__":
    torch.set_num_threads(1)  # others may be at work beside this
    Tensor.relu = F.relu = F.silu  # at ReLU's kink rounding alone makes another gradient
    warnings.simplefilter("ignore")  # torch's, that no Intel GPU is there, where oneDNN is turned off
    for name, network, shapes, last in configured():
        torch.manual_seed(0)
        print(f"{difference(network, shapes, last):.2e} {name}", flush=True)
