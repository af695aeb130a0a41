"""Networks of timm as the measure of Bruintjes et al. 2023 reads them: their blocks, in order, each with its stride.

The six published ones of Figures 4 and 7, and small ViTs and MLP-Mixers for 32 × 32 pixels (protocol 2.6 and 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

CLASSES, SIZE, PATCH = 10, 32, 4  # of the small networks


@dataclass(frozen=True)
class Layout:
    """Where a network's maps are.

    Attributes:
        strides: how many input pixels one step is, of each part in order; of a `Sequential` every member is a map.
        pool: whose output are the pooled features.
        prefix: tokens before those of the image's patches; None where maps have their positions already.
    """

    strides: Mapping[str, int]
    pool: str = "global_pool"
    prefix: int | None = None


EFFICIENTNET = Layout({f"blocks.{k}": stride for k, stride in enumerate((2, 4, 8, 16, 16, 32, 32))})
RESNET = Layout({"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32})
INCEPTION = Layout(
    {"Conv2d_1a_3x3": 2, "Conv2d_2a_3x3": 2, "Conv2d_2b_3x3": 2, "Conv2d_3b_1x1": 4, "Conv2d_4a_3x3": 4}
    | dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), 8)
    | dict.fromkeys(("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), 16)
    | dict.fromkeys(("Mixed_7a", "Mixed_7b", "Mixed_7c"), 32)
)
VIT = Layout({"blocks": 16}, pool="head_drop", prefix=1)  # the class token, which the head reads (D16)
MIXER = Layout({"blocks": 16}, pool="head_drop", prefix=0)  # the mean over tokens
LAYOUTS = {  # the papers' networks
    "effnet_b6": EFFICIENTNET,
    "effnet_b7": EFFICIENTNET,
    "resnext101": RESNET,
    "inception_v3": INCEPTION,
    "vit": VIT,
    "mixer": MIXER,
}


def laid_out(network: nn.Module, layout: Layout, size: int) -> nn.Module:
    """`network` with what it is measured by: `strides` (layer -> stride), `hooks`, `view`. Inputs are `size` wide."""
    strides: dict[str, int] = {}
    for place, stride in layout.strides.items():
        part = network.get_submodule(place)
        members = [f"{place}.{k}" for k in range(len(part))] if isinstance(part, nn.Sequential) else [place]
        strides |= dict.fromkeys(members, stride)
    network.strides = strides | {"pool": size, "logits": size}
    network.hooks = {"pool": layout.pool}
    if layout.prefix is not None:
        network.view = Grid(layout.prefix)
    return network


@dataclass(frozen=True)
class Grid:
    """Tokens (n, prefix + side², c) as maps (n, c, side, side), row by row; other activations as they are."""

    prefix: int

    def __call__(self, activation: Tensor) -> Tensor:
        if activation.dim() != 3:
            return activation
        tokens = activation[:, self.prefix :].mT
        side = math.isqrt(tokens.shape[-1])
        return tokens.unflatten(-1, (side, side))


def small_vit(dim: int, depth: int, heads: int) -> nn.Module:
    """A ViT (b, 3, 32, 32) -> (b, 10) on 8 × 8 patches of 4 × 4 pixels, with a class token."""
    from timm.models.vision_transformer import VisionTransformer  # here and below: it takes seconds

    network = VisionTransformer(embed_dim=dim, depth=depth, num_heads=heads, **_small())
    for block in network.blocks:
        block.attn.fused_attn = False  # the fused form has no rule for `torch.vmap` on a CPU: it runs in a loop
    return laid_out(network, Layout({"blocks": PATCH}, VIT.pool, VIT.prefix), SIZE)


def small_mixer(dim: int, depth: int) -> nn.Module:
    """An MLP-Mixer (b, 3, 32, 32) -> (b, 10) on 8 × 8 patches of 4 × 4 pixels."""
    from timm.models.mlp_mixer import MlpMixer

    network = MlpMixer(embed_dim=dim, num_blocks=depth, **_small())
    return laid_out(network, Layout({"blocks": PATCH}, MIXER.pool, MIXER.prefix), SIZE)


def _small() -> dict[str, Any]:
    return {"num_classes": CLASSES, "img_size": SIZE, "patch_size": PATCH}
