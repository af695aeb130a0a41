"""The residual networks of Bruintjes et al. 2023 on CIFAR-10: augmentations and widths (Sections 4.4, 4.5)."""

from __future__ import annotations

from torch import nn

from learned_symmetry import models
from learned_symmetry.config.bruintjes2023 import Bruintjes2023
from learned_symmetry.data import augment, cifar10
from learned_symmetry.data.augment import Augmentation, Standardise
from learned_symmetry.models.residual import ResNetCIFAR, WideResNet
from learned_symmetry.rng import generator

PAPER = "bruintjes2023"
AUGMENTATIONS = ("none", "crops", "flips", "cutmix", "randaugment")  # of ResNet-44, Figure 6a
WIDTHS = {"s1": 1, "s2": 2, "s4": 4, "s8": 8}  # of WRN-40-s, Figure 6b
KINDS = (*AUGMENTATIONS, *WIDTHS)


class Photographs:
    """Data and networks; a kind is an augmentation or a width."""

    def __init__(self, cfg: Bruintjes2023) -> None:
        self.cfg, self.source = cfg, cifar10.source(cfg).kind
        self.prepare = Standardise(tuple(cfg.cifar10.mean), tuple(cfg.cifar10.std))

    def network(self, kind: str, seed: int) -> nn.Module:
        """A network as it is before training."""
        narrow, wide = self.cfg.cifar10.resnet, self.cfg.cifar10.wide

        def build() -> nn.Module:
            if kind in WIDTHS:
                return WideResNet(WIDTHS[kind], wide.n, wide.width)
            return ResNetCIFAR(narrow.n, narrow.width)

        return models.seeded(build, generator(seed, "network"))

    def augmentation(self, kind: str) -> Augmentation | None:
        """What the training images of a kind go through; None: nothing."""
        block = self.cfg.cifar10.augmentations
        return {
            "none": None,
            "crops": augment.Crops(block.crops.padding),
            "flips": augment.Flips(block.flips.p),
            "cutmix": augment.CutMix(block.cutmix.alpha, block.cutmix.p, cifar10.CLASSES),
            "randaugment": augment.RandAugment(block.randaugment.operations, block.randaugment.magnitude),
        }[self.cfg.cifar10.wide.augmentation if kind in WIDTHS else kind]

    @staticmethod
    def stage(kind: str) -> str:
        """That trains a kind."""
        return f"train_cifar10_{kind}"

    @staticmethod
    def name(kind: str, seed: int) -> str:
        return f"{kind}/seed{seed}"
