"""Convolutions, flips and permutations of channels: the kernel constraint (3), and what Section 3 starts from."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from learned_symmetry.config.bokman2023 import Theory
from learned_symmetry.groups import Flip
from learned_symmetry.merge.permute import flipped, permuted
from learned_symmetry.models import seeded
from learned_symmetry.models.vgg import VGG11
from learned_symmetry.theory.check import Check, normal, permutations

FLIP = Flip()
CHANNELS, SIDE, KERNEL = (4, 6), 7, 3  # in and out; pixels of the maps and of the kernels
STEPS, RATE, IMAGES, WIDTH = 3, 0.1, 4, 2  # of the small VGG11 that is trained twice


def kernel_constraint(cfg: Theory, rng: Generator) -> Check:
    """Equation (3): a convolution commutes with (flip, P_0) before and (flip, P_1) after exactly where
    flip(psi) = P_1 psi P_0^T, its bias where P_1 beta = beta.

    Kernels are projected on the constraint: P = identities (symmetric filters), lifting (pairs out), regular (pairs in
    and out), and random involutions. A part that changes its sign, as large as the projection, violates it.
    """
    inside, outside = CHANNELS
    draws = math.ceil(cfg.draws / 4)
    pairs = [torch.arange(n).roll(n // 2).expand(draws, -1) for n in CHANNELS]
    alone = [torch.arange(n).expand(draws, -1) for n in CHANNELS]
    drawn = [_involutions(draws, n, rng) for n in CHANNELS]
    constrained, free = [], []
    for before, after in (alone, (alone[0], pairs[1]), pairs, drawn):
        kernel = normal(draws, outside, inside, KERNEL, KERNEL, rng=rng)
        bias = normal(draws, outside, rng=rng)
        twin = FLIP.act(_swapped(_swapped(kernel, after, 1), before, 2), 1)
        good, balanced = (kernel + twin) / 2, (bias + bias.gather(1, after)) / 2
        odd, tilted = kernel - good, bias - balanced
        odd = odd * (_size(good) / _size(odd))
        moved = tilted.abs().amax(1) > 0  # not where P_1 is the identity: every bias is fixed
        x = normal(draws, inside, SIDE, SIDE, rng=rng)
        constrained.append(_violation(good, balanced, x, before, after))
        free.append(_violation(good + odd, balanced, x, before, after))
        if moved.any():
            tilted = balanced[moved] + tilted[moved] / tilted[moved].abs().amax(1, keepdim=True)
            free.append(_violation(good[moved], tilted, x[moved], before[moved], after[moved]))
    largest, smallest = torch.cat(constrained).max().item(), torch.cat(free).min().item()
    found = {"max_violation_constrained": largest, "min_violation_unconstrained": smallest}
    return Check(sum(map(len, constrained)) + sum(map(len, free)), largest, smallest, found)


def _violation(kernel: Tensor, bias: Tensor, x: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """|conv(P_0 flip x) - P_1 flip conv(x)| of each draw, the largest entry in units of conv's; (draws,)."""

    def conv(x: Tensor) -> Tensor:
        stacked = F.conv2d(x.flatten(0, 1)[None], kernel.flatten(0, 1), padding=KERNEL // 2, groups=len(kernel))
        return stacked.view(len(kernel), -1, SIDE, SIDE) + bias[..., None, None]

    still = FLIP.act(_swapped(conv(x), after, 1), 1)
    gap = conv(FLIP.act(_swapped(x, before, 1), 1)) - still
    return gap.abs().flatten(1).amax(1) / still.abs().flatten(1).amax(1)


def _size(kernels: Tensor) -> Tensor:
    return torch.linalg.vector_norm(kernels, dim=(1, 2, 3, 4), keepdim=True)


def _swapped(x: Tensor, order: Tensor, axis: int) -> Tensor:
    """x (draws, ...) with `axis` in each draw's own order (draws, n)."""
    shape = [len(x), *(1,) * (x.dim() - 1)]
    shape[axis] = order.shape[1]
    return x.gather(axis, order.view(shape).expand_as(x))


def _involutions(draws: int, n: int, rng: Generator) -> Tensor:
    """Random permutations (draws, n) of order two at most: a random number of pairs of points is swapped."""
    names = permutations(draws, n, rng)
    swapped = torch.rand(draws, n // 2, generator=rng) < 0.5
    order = torch.arange(n).repeat(draws, 1)
    paired = order[:, : n // 2 * 2].unflatten(1, (-1, 2))
    order[:, : n // 2 * 2] = torch.where(swapped[..., None], paired.flip(2), paired).flatten(1)
    return torch.empty_like(order).scatter_(1, names, names.gather(1, order))


def permutation_invariance(cfg: Theory, rng: Generator) -> Check:
    """Section 3: relabelling the hidden channels of a network, here a VGG11, leaves its function as it was."""
    network, x = _network(rng), normal(IMAGES, 3, 32, 32, rng=rng)
    still, groups, gaps = network(x), network.channels(), []
    draws = math.ceil(cfg.draws / 50)
    for _ in range(draws):
        order = {
            group.watched: permutations(1, len(network.get_parameter(f"{group.writers[0]}.bias")), rng)[0]
            for group in groups
        }
        gaps.append(_relative(permuted(network, groups, order)(x), still))
    return Check(draws, max(gaps), None)


def flipped_training(cfg: Theory, rng: Generator) -> Check:
    """Section 3: gradient descent from mirrored filters on mirrored images gives the mirrored network, step by step."""
    draws, gaps, moved = math.ceil(cfg.draws / 200), [], []
    for _ in range(draws):
        network, x = _network(rng), normal(IMAGES, 3, 32, 32, rng=rng)
        y = torch.randint(10, (IMAGES,), generator=rng)
        before = [parameter.clone() for parameter in network.parameters()]
        twin = flipped(network)
        _descend(network, x, y)
        _descend(twin, FLIP.act(x, 1), y)
        pairs = list(zip(flipped(network).parameters(), twin.parameters(), strict=True))
        gaps.append(max(_relative(ours, theirs) for ours, theirs in pairs))
        moved.append(max(_relative(a, b) for a, b in zip(network.parameters(), before, strict=True)))
    return Check(draws, max(gaps), None, {"smallest_step": min(moved)})


def _descend(network: VGG11, x: Tensor, y: Tensor) -> None:
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimiser.step()


def _network(rng: Generator) -> VGG11:
    return seeded(lambda: VGG11(WIDTH).double(), rng)


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()
