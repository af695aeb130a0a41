"""The second student of Nix et al. 2022 on MNIST (nix2022 protocol 2.3)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

GRID, PATCH, CLASSES = 4, 7, 10  # 4 x 4 patches of 7 x 7 pixels
DIM, BLOCKS, HEADS, HEAD_DIM, HIDDEN = 64, 6, 8, 64, 128
LAYERS = ("layer1", "layer2", "layer3", "layer4", "layer5")  # hooked: feed-forward outputs, 17x64 each


class ViT(nn.Module):
    """Six pre-norm blocks on 17 tokens, no norm before the head, no dropout: (b, 1, 28, 28) -> (b, 10).

    901,770 parameters. Hooked are the feed-forward outputs, before the residual sum, of all blocks but the last but
    one (D32). Class token and positions start as N(0, 1), the rest as PyTorch has it.
    """

    hooks: ClassVar[dict[str, str]] = {
        f"layer{i}": f"blocks.{block}.feed_forward" for i, block in enumerate((0, 1, 2, 3, 5), start=1)
    }

    def __init__(self) -> None:
        super().__init__()
        self.embedding = _Embedding()
        self.blocks = nn.Sequential(*(_Block() for _ in range(BLOCKS)))
        self.head = _mlp(DIM, HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embedding(x))[:, 0])


def _mlp(*sizes: int) -> nn.Module:
    from timm.layers import Mlp  # here: it takes 1 s, also where no ViT is made

    return Mlp(*sizes)


class _Embedding(nn.Module):
    """(b, 1, 28, 28) -> (b, 17, 64): the class token is token 0, the patch in (row, column) 1 + 4 * row + column."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(PATCH**2, DIM)
        self.class_token = nn.Parameter(torch.randn(DIM))
        self.positions = nn.Parameter(torch.randn(1 + GRID**2, DIM))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.reshape(-1, GRID, PATCH, GRID, PATCH).transpose(2, 3)  # (b, row, column, 7, 7)
        patches = self.patch(pixels.flatten(3).flatten(1, 2))
        return torch.cat([self.class_token.expand(len(x), 1, DIM), patches], 1) + self.positions


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM)
        self.attention = _Attention()
        self.norm2 = nn.LayerNorm(DIM)
        self.feed_forward = _mlp(DIM, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:  # (b, tokens, 64)
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class _Attention(nn.Module):
    """Written out, because `scaled_dot_product_attention` has no rule for `torch.vmap` on a CPU: it runs in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * HEADS * HEAD_DIM, bias=False)
        self.out = nn.Linear(HEADS * HEAD_DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        # Cut before the heads are: the gradients of the three come together in one copy, not two (a fifth of a step)
        q, k, v = (part.unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        attention = (q @ k.mT / math.sqrt(HEAD_DIM)).softmax(-1)
        return self.out((attention @ v).transpose(1, 2).flatten(2))
