"""Where ReLU commutes with linear maps, and what that says of f(x) = W_2 ReLU(W_1 x) with invertible weights.

Example 2.1, Lemma 2.2, Propositions 2.3 and B.1, Lemma E.1. Columns of x (..., inputs, n) are samples.
"""

from __future__ import annotations

import math
from itertools import permutations as all_permutations
from itertools import product

import torch
from torch import Generator, Tensor

from learned_symmetry.config.bokman2023 import Theory
from learned_symmetry.theory.check import Check, invertible, least, normal, positive, scaled_permutations, worst
from learned_symmetry.theory.groups import GROUPS, actions, matrices

SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)  # J, of two inputs
SAMPLES = 16  # columns of x a case
MIXED = (0.01, 0.1, 1.0, 10.0, 100.0)  # lambda of the witnesses e_k - lambda e_l of Proposition B.1


def example21(cfg: Theory, rng: Generator) -> Check:
    """Example 2.1: with W_2 = 0 the network is invariant to a swap of its inputs, but no rho_1 makes its layer so.

    W_1 is read as one hidden unit, for which rho_1 is the printed scalar, and as the printed 2 x 2 matrix. In its place
    0 gives the same function, and is equivariant.
    """
    x = normal(2, cfg.draws, rng=rng)
    invariance, residuals, rewritten = 0.0, [], 0.0
    for units in (1, 2):
        w1 = torch.eye(2, dtype=torch.float64)[:units].clone()
        w1[1:] = 0
        w2 = torch.zeros(1, units, dtype=torch.float64)
        invariance = max(invariance, worst(two_layer(w2, w1, x) - two_layer(w2, w1, SWAP @ x)))
        residuals.append(layer_residual(w1, SWAP))
        same = worst(two_layer(w2, 0 * w1, x) - two_layer(w2, w1, x))
        rewritten = max(rewritten, same, layer_residual(0 * w1, SWAP))
    found = {
        "invariance_violation": invariance,
        "min_layer_residual": min(residuals),
        "rewritten_layer_residual": rewritten,
    }
    return Check(len(residuals), max(invariance, rewritten), min(residuals), found)


def lemma22(cfg: Theory, rng: Generator) -> Check:
    """Lemma 2.2: ReLU(Ax) = B ReLU(x) for all x holds for A = B = PD and for no other invertible A and B."""
    cases, residuals, defects = 0, [], []
    draws = math.ceil(cfg.draws / len(cfg.sizes))
    for n in cfg.sizes:
        scaled = scaled_permutations(draws, n, rng)
        x = normal(draws, n, SAMPLES, rng=rng)
        residuals.append(worst(((scaled @ x).relu() - scaled @ x.relu()) / scaled.abs().amax((1, 2), keepdim=True)))
        others = torch.cat([*not_scaled_permutations(scaled, rng), invertible(draws, n, cfg.condition, rng)])
        defects.append(defect(others).min().item())
        cases += len(scaled) + len(others)
    found = {"max_residual_scaled_permutation": max(residuals), "min_defect_other": min(defects)}
    return Check(cases, max(residuals), min(defects), found)


def not_scaled_permutations(scaled: Tensor, rng: Generator) -> list[Tensor]:
    """Invertible matrices that come close, from PD (draws, n, n): one entry more, one negated, a turn, -I."""
    draws, n, _ = scaled.shape
    case = torch.arange(draws)
    row = torch.randint(n, (draws,), generator=rng)
    column = scaled[case, row].argmax(1)
    other = (column + torch.randint(1, n, (draws,), generator=rng)) % n
    more, negated = scaled.clone(), scaled.clone()
    more[case, row, other] = positive(draws, 1, rng)[:, 0]
    negated[case, row, column] *= -1
    eye = torch.eye(n, dtype=torch.float64)
    turn = eye.clone()
    turn[:2, :2] = rotation(1 / 3)
    return [more, negated, turn[None], -eye[None]]


def defect(a: Tensor) -> Tensor:
    """How far ReLU(Ax) = B ReLU(x) is from holding for matrices (b, n, n), whatever B; (b,), 0 for a PD only.

    x = e_k leaves no choice but B = ReLU(A). The violation is the largest on x = -e_k and on the
    x = A_ik e_l - A_il e_k, which row i of A sends to 0 (the proof's inputs), with A scaled to a largest entry of 1.
    """
    a = a / a.abs().amax((1, 2), keepdim=True)
    ik, il = a[:, None, :, :, None], a[:, None, :, None, :]  # (b, 1, i, k, 1) and (b, 1, i, 1, l)
    rk, rl = a[:, :, None, :, None], a[:, :, None, None, :]  # of each row r
    left = (ik * rl - il * rk).relu()
    right = rl.relu() * ik.relu() + rk.relu() * (-il).relu()  # B ReLU(x), column by column
    off = ~torch.eye(a.shape[-1], dtype=torch.bool)
    pairs = ((left - right).abs() * off).flatten(1).amax(1)
    return torch.maximum(pairs, (-a).relu().flatten(1).amax(1))


def prop23(cfg: Theory, rng: Generator) -> Check:
    """Proposition 2.3: with invertible W_1, W_2 (m, m) f is equivariant exactly for rho_0 = W_1^-1 PD W_1 and
    rho_2 = W_2 PD W_2^-1 with one PD for both, and then layer by layer.

    Sufficient: PD(g) = S^-1 R(g) S for permutation representations R of S2, C3, C4 and S3. Necessary: rotations and
    signs in a random basis have a defect, and no rho_2 at all fits f(rho_0 x) = rho_2 f(x).
    """
    kinds = [(name, action) for name, group in GROUPS.items() for action in actions(group, cfg.points)[1:]]
    draws = math.ceil(cfg.draws / len(kinds))
    m, cases, violations, defects, misfits = cfg.points, 0, [], [], []
    for _, action in kinds:
        w1, w2 = (invertible(draws, m, cfg.condition, rng) for _ in range(2))
        scale = positive(draws, m, rng)
        pd = matrices(action)[:, None] * scale[:, None] / scale[..., None]  # (|G|, draws, m, m): S^-1 R(g) S
        x = normal(draws, m, SAMPLES, rng=rng)
        rho0, rho2 = torch.linalg.solve(w1, pd @ w1), w2 @ pd @ torch.linalg.inv(w2)
        moved, still = two_layer(w2, w1, rho0 @ x), rho2 @ two_layer(w2, w1, x)
        violations.append(relative(moved - still, still))
        violations.append(relative(w1 @ rho0 - pd @ w1, pd @ w1))
        violations.append(relative((pd @ x).relu() - pd @ x.relu(), pd @ x.relu()))
        cases += draws
    for block in (rotation(1 / 3), torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))):
        w1, w2, basis = (invertible(draws, m, cfg.condition, rng) for _ in range(3))
        rho = torch.eye(m, dtype=torch.float64)
        rho[:2, :2] = block
        rho0 = basis @ rho @ torch.linalg.inv(basis)
        defects.append(defect(w1 @ rho0 @ torch.linalg.inv(w1)).min().item())
        x = normal(draws, m, 8 * m, rng=rng)
        f, moved = two_layer(w2, w1, x), two_layer(w2, w1, rho0 @ x)
        misfit = moved - moved @ torch.linalg.pinv(f) @ f  # of the best rho_2
        misfits.append((misfit.norm(dim=(1, 2)) / moved.norm(dim=(1, 2))).min().item())
        cases += draws
    found = {
        "max_rel_violation_sufficient": max(violations),
        "min_defect_necessary": min(defects),
        "min_misfit_of_best_rho2": min(misfits),
    }
    return Check(cases, max(violations), min(*defects, *misfits), found)


def propb1(cfg: Theory, rng: Generator) -> Check:
    """Proposition B.1: f = W_2 ReLU(W_1 x) to R, W_1 invertible and W_2 a row of ones and minus ones, is invariant
    exactly for rho_0 = W_1^-1 blockdiag(P+, P-) W_1.

    Exhaustive over signed permutations for m = 2, 3, 4, one row scaled by 2 or not, and every number of ones; random
    matrices and random W_1 beside them.
    """
    cases, residuals, witnesses = 0, [], []
    for m in (2, 3, 4):
        a = _signed_permutations(m)
        y = _witnesses(m)
        w1 = invertible(len(a), m, cfg.condition, rng)
        rho0 = torch.linalg.solve(w1, a @ w1)
        x = normal(len(a), m, SAMPLES, rng=rng)
        wild = invertible(math.ceil(cfg.draws / 3), m, cfg.condition, rng)
        for ones in range(m + 1):
            w2 = torch.ones(1, m, dtype=torch.float64)
            w2[:, ones:] = -1
            allowed = ((a == 0) | (a == 1)).all((1, 2)) & (a[:, :ones, ones:] == 0).all((1, 2))
            gap = w2 @ (a @ y).relu() - w2 @ y.relu()
            residuals.append(worst(gap[allowed]))
            moved, still = two_layer(w2, w1, rho0 @ x)[allowed], two_layer(w2, w1, x)[allowed]
            residuals.append(worst((moved - still) / (w2.abs() @ (w1 @ x).relu()).amax((1, 2), keepdim=True)[allowed]))
            witnesses += [least(gap[~allowed]), least(w2 @ (wild @ y).relu() - w2 @ y.relu())]
            cases += len(a) + len(wild)
    found = {"max_violation_block_permutation": max(residuals), "min_violation_other": min(witnesses)}
    return Check(cases, max(residuals), min(witnesses), found)


def _signed_permutations(m: int) -> Tensor:
    """All m! 2^m of them, as they are and with the first row doubled; (2 m! 2^m, m, m)."""
    eye = torch.eye(m, dtype=torch.float64)
    plain = torch.stack([eye[list(p)] for p in all_permutations(range(m))])
    signs = torch.tensor(list(product((1.0, -1.0), repeat=m)), dtype=torch.float64)
    signed = (signs[:, None, :, None] * plain).flatten(0, 1)
    doubled = signed.clone()
    doubled[:, 0] *= 2
    return torch.cat([signed, doubled])


def _witnesses(m: int) -> Tensor:
    """Columns +-e_k and +-(e_k - lambda e_l), each scaled to a largest entry of 1; (m, n)."""
    eye = torch.eye(m, dtype=torch.float64)
    mixed = [eye[k] - factor * eye[i] for k in range(m) for i in range(m) if i != k for factor in MIXED]
    half = torch.stack([*eye, *mixed], 1)
    half = half / half.abs().amax(0)
    return torch.cat([half, -half], 1)


def lemmae1(cfg: Theory, rng: Generator) -> Check:
    """Lemma E.1: ReLU(Ax + a) = B ReLU(x) + b for all x with invertible A, B forces a = b = 0.

    x = 0 forces b = ReLU(a), and x = -A^-1 a then shows a difference of |a|. What follows for Proposition 2.3 with
    biases (derived; the paper stops at the lemma): f is equivariant where rho_1 t_1 = t_1 and rho_2 t_2 = t_2, and not
    where t_1 or t_2 is moved.
    """
    cases, at_zero, over_norm = 0, [], []
    draws = math.ceil(cfg.draws / len(cfg.sizes))
    for n in cfg.sizes:
        scaled = scaled_permutations(draws, n, rng)
        a = normal(draws, n, 1, rng=rng)
        root = torch.linalg.solve(scaled, a)
        x = torch.cat([0 * root, root, -root, -2 * root], 2)
        gap = (scaled @ x + a).relu() - scaled @ x.relu() - a.relu()
        over_norm.append(least(gap / a.abs().amax((1, 2), keepdim=True)))
        free = normal(draws, n, SAMPLES, rng=rng)
        at_zero.append(worst(((scaled @ free).relu() - scaled @ free.relu()) / scaled.abs().amax((1, 2), keepdim=True)))
        cases += draws
    fixed, moved = _biased(cfg, rng)
    found = {
        "min_violation_over_norm_a": min(over_norm),
        "violation_at_zero_offsets": max(at_zero),
        "max_rel_violation_fixed_biases": fixed,
        "min_rel_violation_moved_biases": moved,
    }
    return Check(cases + cfg.draws, max(*at_zero, fixed), min(*over_norm, moved), found)


def _biased(cfg: Theory, rng: Generator) -> tuple[float, float]:
    """f(x) = W_2 ReLU(W_1 x + t_1) + t_2 under S3: with biases that it fixes, and with others; relative violations."""
    draws, m = cfg.draws, 6
    rho1 = matrices(GROUPS["S3"].transitive[-1])[:, None]  # on itself: only multiples of (1, ..., 1) are fixed
    w1, w2 = (invertible(draws, m, cfg.condition, rng) for _ in range(2))
    rho0, rho2 = torch.linalg.solve(w1, rho1 @ w1), w2 @ rho1 @ torch.linalg.inv(w2)
    x, t1, t2 = normal(draws, m, SAMPLES, rng=rng), normal(draws, m, 1, rng=rng), normal(draws, m, 1, rng=rng)

    def violation(t1: Tensor, t2: Tensor) -> Tensor:
        moved, still = (w2 @ (w1 @ z + t1).relu() + t2 for z in (rho0 @ x, x))
        gap = (moved - rho2 @ still).abs()
        return gap.amax((0, 2, 3)) / (rho2 @ still).abs().amax((0, 2, 3))  # of each draw

    kept1, kept2 = (rho1 @ t1).mean(0), (rho2 @ t2).mean(0)  # averages over the group are fixed by it
    broken = torch.cat([violation(t1, kept2), violation(kept1, t2)])
    return violation(kept1, kept2).max().item(), broken.min().item()


def two_layer(w2: Tensor, w1: Tensor, x: Tensor) -> Tensor:
    """f(x) = W_2 ReLU(W_1 x), batched over leading axes."""
    return w2 @ (w1 @ x).relu()


def layer_residual(w: Tensor, rho: Tensor) -> float:
    """The least Frobenius norm of rho_1 w - w rho over all matrices rho_1, for w (units, inputs)."""
    wanted = w @ rho
    return (wanted @ torch.linalg.pinv(w) @ w - wanted).norm().item()


def rotation(turns: float) -> Tensor:
    """(2, 2): counter-clockwise by that many turns."""
    cos, sin = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    return torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)


def relative(gap: Tensor, to: Tensor) -> float:
    """The largest entry of `gap` of a case in units of the largest of `to`; cases are all axes but the last two."""
    return (gap.abs().amax((-2, -1)) / to.abs().amax((-2, -1))).max().item()
