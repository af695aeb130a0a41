"""Networks of two papers on CIFAR-10 that the cross-examination asks about mirroring.

Each sees unmoved test images as its own paper gives them. One more network is one more entry of
`MIRRORED`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from learned_symmetry import config, flip_resnets, flip_vgg, results
from learned_symmetry.cifar10_networks import KINDS, PAPER, Photographs
from learned_symmetry.config.cross import Cross
from learned_symmetry.cross import Subject, barriers, maps, restored
from learned_symmetry.data import cifar10
from learned_symmetry.groups import Flip
from learned_symmetry.models.residual import ResNetCIFAR, WideResNet
from learned_symmetry.models.vgg import LAYERS
from learned_symmetry.small_networks import small_network

SMALL = ("cnn_s", "cnn_l", "vit_s", "vit_l", "mixer_s", "mixer_l")
SIZES = ("even", "odd")  # of the ResNets' images: mirrored filters mirror the function at the second alone


def _barriers(cfg: Cross, stage: str, row: str) -> list[float | None]:
    """As the paper's own stage measured them."""
    return results.read_result(cfg.scale, "bokman2023", stage)["metrics"][f"{row}.gcnn_barrier"]["values"]


def _vgg(kind: str, cfg: Cross) -> Subject:
    experiment = flip_vgg.Experiment(config.load("bokman2023", scale=cfg.scale))
    networks = [experiment.trained(kind, seed) for seed in range(experiment.training.seeds)]
    x, y = (part[: cfg.photographs.images] for part in experiment.test)
    layers = {f"layers.{number}": 1 for number in range(LAYERS)}
    return Subject(networks, x, y, layers, barriers=_barriers(cfg, "vgg_merge", f"table2.{kind}"))


def _resnet(kind: str, which: str, cfg: Cross) -> Subject:
    experiment = flip_resnets.Experiment(config.load("bokman2023", scale=cfg.scale))
    size = experiment.small.sizes[SIZES.index(which)]
    networks = [experiment.read(kind, size, seed) for seed in range(experiment.small.seeds)]
    seen = experiment.seen("test", size, cfg.photographs.images)
    layers = ["maxpool", *experiment.network(0).bottlenecks()]
    barriers = _barriers(cfg, "small_merge", f"table5_small.{kind}_{size}")
    return Subject(networks, seen.x, seen.y, dict.fromkeys(layers, 1), barriers=barriers)


def _bruintjes(
    stage: str, build: Callable[[Photographs, int], nn.Module], name: str, seeds: int, cfg: Cross
) -> Subject:
    """With GCNN barriers, merged with training images as they are, for networks that `merge.layouts` knows."""
    photographs = Photographs(config.load("bruintjes2023", scale=cfg.scale))
    networks = [
        restored(build(photographs, seed), cfg.scale, PAPER, stage, f"{name}/seed{seed}") for seed in range(seeds)
    ]
    x, y = cifar10.load("test", cfg, cfg.photographs.images)
    network = build(photographs, 0)
    layers = {layer: stride for layer, stride in network.strides.items() if layer not in ("pool", "logits")}
    about = Subject(networks, photographs.prepare(x), y, layers, getattr(network, "view", maps))
    if not isinstance(network, ResNetCIFAR | WideResNet):
        return about
    seen = photographs.prepare(cifar10.load("train", cfg, cfg.photographs.calibration_images)[0])
    return replace(about, barriers=barriers(about, seen, Flip(), 1, cfg))


def _trained(kind: str, cfg: Cross) -> Subject:
    seeds = config.load("bruintjes2023", scale=cfg.scale).cifar10.seeds
    return _bruintjes(
        Photographs.stage(kind), lambda photographs, seed: photographs.network(kind, seed), kind, seeds, cfg
    )


def _small(name: str, cfg: Cross) -> Subject:
    seeds = config.load("bruintjes2023", scale=cfg.scale).small.seeds
    return _bruintjes("small", lambda photographs, seed: small_network(photographs.cfg, name, seed), name, seeds, cfg)


MIRRORED: dict[str, Callable[[Cross], Subject]] = {  # names of metrics begin with cifar.KEY
    **{f"vgg_{kind}": partial(_vgg, kind) for kind in flip_vgg.KINDS},
    **{f"resnet_{kind}_{which}": partial(_resnet, kind, which) for kind in flip_resnets.KINDS for which in SIZES},
    **{f"bruintjes_{kind}": partial(_trained, kind) for kind in KINDS},
    **{f"bruintjes_{name}": partial(_small, name) for name in SMALL},
}
