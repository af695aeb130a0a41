"""MLP-Mixers that take an image and a kernel and give a feature map (huang2024 2.5; authors' code)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

BANDS = 4
POSITION = 2 + 4 * BANDS  # features of a pixel's place
WIDTH, HIDDEN, DEPTH = 24, 12, 2  # of a token, of the MLP over its entries, blocks
EXPANSION = 4  # of the MLP over tokens
INITIAL = 0.02  # standard deviation of learned tokens (our guess)


def positions(size: int) -> Tensor:
    """Places of a size x size grid, (size², 18): coordinates in [-1, 1], sine and cosine of pi · band · coordinate.

    Four bands, from 1 to size / 2.
    """
    line = torch.linspace(-1, 1, size)
    place = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)  # (size², 2)
    turns = (math.pi * place.unsqueeze(-1) * torch.linspace(1, size / 2, BANDS)).flatten(1)  # (size², 8)
    return torch.cat([place, turns.sin(), turns.cos()], -1)


class Mixer(nn.Module):
    """Tokens (..., tokens, features) -> (..., tokens, out): a linear map, `DEPTH` blocks, a norm, a linear map."""

    def __init__(self, tokens: int, features: int, out: int) -> None:
        super().__init__()
        self.inside = nn.Linear(features, WIDTH)
        self.blocks = nn.Sequential(*(Block(tokens) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.outside = nn.Linear(WIDTH, out)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.outside(self.norm(self.blocks(self.inside(tokens))))


class Block(nn.Module):
    """An MLP over tokens, then one over each token's entries, both behind a norm and beside an identity."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.tokens = _mlp(tokens, EXPANSION * tokens)
        self.entries = _mlp(WIDTH, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.entries(self.norm2(x))


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class KernelMixer(nn.Module):
    """Images (..., i, c, size, size) under kernels (..., entries, c²) -> maps (..., i, c, out, out).

    Kernel entries are tokens of their channel pairs, pixels tokens of their c channels and place. The first mixer sees
    both and learned context; the second its outputs beside a query, whose last tokens are places of the map. The clone
    of a 3 x 3 convolution of four channels on 7 x 7 pixels (4, 7, 5, 9) has 228,636 parameters.
    """

    def __init__(self, channels: int, size: int, out: int, entries: int) -> None:
        super().__init__()
        self.out = out
        tokens, features = size**2 + entries + out**2, channels + POSITION
        self.kernel = nn.Linear(channels**2, features)
        self.context = nn.Parameter(INITIAL * torch.randn(out**2, features))
        self.query = nn.Parameter(INITIAL * torch.randn(tokens - out**2, features))
        self.mixer1 = Mixer(tokens, features, channels)
        self.mixer2 = Mixer(tokens, channels + features, channels)
        self.register_buffer("places", positions(size), persistent=False)
        asked = torch.cat([torch.ones(out**2, channels), positions(out)], -1)
        self.register_buffer("asked", asked, persistent=False)

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        shape = x.shape[:-3]
        pixels = torch.cat([x.flatten(-2).mT, self.places.expand(*shape, -1, -1)], -1)
        kernel = self.kernel(kernels).unsqueeze(-3).expand(*shape, -1, -1)
        tokens = torch.cat([pixels, kernel, self.context.expand(*shape, -1, -1)], -2)
        query = torch.cat([self.query, self.asked]).expand(*shape, -1, -1)
        found = self.mixer2(torch.cat([self.mixer1(tokens), query], -1))[..., -(self.out**2) :, :]
        return found.mT.unflatten(-1, (self.out, self.out))
