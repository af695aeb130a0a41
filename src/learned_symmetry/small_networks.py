"""The small CNNs, ViTs and MLP-Mixers on CIFAR-10 on which Figures 4 and 7 of Bruintjes et al. 2023 are repeated."""

from __future__ import annotations

from torch import nn

from learned_symmetry import models
from learned_symmetry.config.bruintjes2023 import Bruintjes2023, SmallCNN, SmallViT
from learned_symmetry.models.residual import ResNetCIFAR
from learned_symmetry.models.timm_networks import small_mixer, small_vit
from learned_symmetry.rng import generator


def small_network(cfg: Bruintjes2023, name: str, seed: int) -> nn.Module:
    """A network as it is before training."""
    told = cfg.small.networks[name]

    def build() -> nn.Module:
        if isinstance(told, SmallCNN):
            return ResNetCIFAR(told.depth, told.width)
        if isinstance(told, SmallViT):
            return small_vit(told.width, told.depth, told.heads)
        return small_mixer(told.width, told.depth)

    return models.seeded(build, generator(seed, "network"))
