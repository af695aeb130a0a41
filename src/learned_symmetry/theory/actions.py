"""Lemma D.3 and Proposition D.4: group actions on finite sets, carried over by maps. Exact: everything is an index."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from learned_symmetry.config.bokman2023 import Theory
from learned_symmetry.theory.check import Check, permutations
from learned_symmetry.theory.groups import GROUPS, Abstract, actions, axiom_failures, relabelled
from learned_symmetry.theory.relu import two_layer


def lemmad3(cfg: Theory, rng: Generator) -> Check:
    """Lemma D.3: a bijection phi: X -> Y carries an action on X to Y, and to no other that makes phi equivariant;
    likewise back. Every action of S2, C3, C4 and S3 on `points` points, random bijections; for S2 every action on Y.
    """
    n = cfg.points
    kinds = [(group, action) for group in GROUPS.values() for action in actions(group, n)]
    draws = math.ceil(cfg.draws / len(kinds))
    cases = axioms = unequal = 0
    for group, action in kinds:
        on_x = relabelled(action, permutations(draws, n, rng))  # (draws, |G|, n)
        phi = permutations(draws, n, rng)
        on_y = relabelled(on_x, phi)
        axioms += axiom_failures(on_y, group)
        unequal += equivariance_failures(phi, on_x, on_y)
        unequal += int((relabelled(on_y, phi.argsort(1)) != on_x).sum())
        cases += draws
    counts = _actions_that_fit(cfg, rng)
    found = {
        "axiom_failures": float(axioms),
        "equivariance_failures": float(unequal),
        "actions_making_map_equivariant": float(max(counts, key=lambda count: abs(count - 1))),
    }
    return Check(cases + len(counts), float(axioms + unequal), None, found)


def _actions_that_fit(cfg: Theory, rng: Generator) -> list[int]:
    """For random actions of S2 on X and bijections: how many of all actions on Y make the bijection equivariant."""
    n = cfg.points
    every = torch.tensor(involutions(n))  # (k, n): what the flip does
    draws = math.ceil(cfg.draws / 10)
    flips = every[torch.randint(len(every), (draws,), generator=rng)]
    phi = permutations(draws, n, rng)
    wanted = phi.gather(1, flips)  # phi(g x)
    reached = every[None].expand(draws, -1, -1).gather(2, phi[:, None].expand(-1, len(every), -1))  # g phi(x)
    return (reached == wanted[:, None]).all(2).sum(1).tolist()


def involutions(n: int) -> list[list[int]]:
    """Every permutation of n points that is its own inverse."""
    if n == 0:
        return [[]]
    found = [[*rest, n - 1] for rest in involutions(n - 1)]
    for rest in involutions(n - 2) if n > 1 else []:
        for other in range(n - 1):  # n - 1 is swapped with `other`, and the rest fills the places that are left
            places = [place for place in range(n - 1) if place != other]
            made = [0] * n
            made[other], made[n - 1] = n - 1, other
            for place, image in zip(places, rest, strict=True):
                made[place] = places[image]
            found.append(made)
    return found


def propd4(cfg: Theory, rng: Generator) -> Check:
    """Proposition D.4: psi o phi: X -> Y -> Z equivariant. If psi is invertible, an action on Y makes both equivariant.
    Otherwise one on the quotient Y' = phi(X) / ~ does, where y ~ y' if psi(y) = psi(y').

    X = Z x F with random actions of S2, C3, C4 and S3, all names shuffled; phi merges some points over each z, psi is
    arbitrary outside phi(X). Example 2.1 with phi = W_1 and psi = W_2 ReLU has a single point in Y'.
    """
    over, fibre = cfg.points, 3
    kinds = [(group, z, f) for group in GROUPS.values() for z in actions(group, over) for f in actions(group, fibre)]
    draws = math.ceil(cfg.draws / len(kinds))
    cases = axioms = unequal = 0
    for group, on_over, on_fibre in kinds:
        product = (on_over[:, :, None] * fibre + on_fibre[:, None, :]).flatten(1)  # X before its points are renamed
        names_x, names_y = (permutations(draws, over * fibre, rng) for _ in range(2))
        names_z = permutations(draws, over, rng)
        on_x, on_z = relabelled(product, names_x), relabelled(on_over, names_z)
        below = torch.arange(over).repeat_interleave(fibre).expand(draws, -1)  # of each x before renaming
        merged = below * fibre + torch.randint(fibre, below.shape, generator=rng)  # y before renaming
        x_old = names_x.argsort(1)
        phi = names_y.gather(1, merged.gather(1, x_old))  # (draws, |X|)
        psi = torch.randint(over, (draws, over * fibre), generator=rng)
        psi.scatter_(1, phi, names_z.gather(1, below.gather(1, x_old)))
        failures = quotient_failures(group, on_x, on_z, phi, psi)
        axioms, unequal = axioms + failures[0], unequal + failures[1]

        invertible = permutations(draws, over, rng)  # psi: Y -> Z
        on_y = relabelled(on_z, invertible.argsort(1))
        first = invertible.argsort(1).gather(1, psi.gather(1, phi))  # psi^-1 o h
        axioms += axiom_failures(on_y, group)
        unequal += equivariance_failures(first, on_x, on_y) + equivariance_failures(invertible, on_y, on_z)
        cases += 2 * draws
    found = {
        "axiom_failures": float(axioms),
        "equivariance_failures": float(unequal),
        "quotient_size_example21": float(_quotient_of_example21(cfg, rng)),
    }
    return Check(cases, float(axioms + unequal), None, found)


def quotient_failures(group: Abstract, on_x: Tensor, on_z: Tensor, phi: Tensor, psi: Tensor) -> tuple[int, int]:
    """Broken axioms and broken equivariances of the action on Y' = phi(X) / ~, with [y] g = [phi(g x)], phi(x) = y.

    A class is named by what psi sends it to, so that Y' is a part of Z; (b, |G|, .) and (b, .) each. That [phi(g x)]
    depends on [phi(x)] alone is what equivariance of phi' says of an action that was read off one x of each class.
    """
    classes = psi.gather(1, phi)  # phi': X -> Y'
    on_classes = torch.full_like(on_z, -1)
    images = classes[:, None].expand_as(on_x).gather(2, on_x)  # [phi(g x)]
    on_classes.scatter_(2, classes[:, None].expand_as(on_x), images)
    there = on_classes[:, :1] >= 0
    broken = axiom_failures(torch.where(there, on_classes, torch.arange(on_z.shape[-1])), group)
    unequal = equivariance_failures(classes, on_x, on_classes) + int(((on_classes != on_z) & there).sum())
    return broken, unequal


def equivariance_failures(f: Tensor, source: Tensor, target: Tensor) -> int:
    """How many of the equations f(g x) = g f(x) a map f (b, n) breaks, for actions (b, |G|, .)."""
    along = f[:, None].expand(-1, source.shape[1], -1)
    return int((along.gather(2, source) != target.gather(2, along)).sum())


def _quotient_of_example21(cfg: Theory, rng: Generator) -> int:
    x = torch.randn(2, cfg.draws, generator=rng, dtype=torch.float64)
    w1 = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    return len(two_layer(torch.zeros(1, 1, dtype=torch.float64), w1, x).unique())
