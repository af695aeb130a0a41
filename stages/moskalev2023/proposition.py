"""Moskalev et al. 2023, Proposition 3.1 as numbers: the flow and its closed form (protocol section 3), in float64.

    dvc repro stages/moskalev2023/dvc.yaml:proposition
    python stages/moskalev2023/proposition.py

Cases: a 4 x 4 image of noise and 50 of them, turned; an MNIST digit, turned and translated; a seed each for W(0).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from learned_symmetry import record, stage
from learned_symmetry.config.moskalev2023 import Moskalev2023
from learned_symmetry.genuine_invariance import CLASSES, GROUPS, PAPER, Experiment
from learned_symmetry.gradient_flow import descend, error, flow, spectrum
from learned_symmetry.rng import generator

SMALL, LOGITS = 4, 3  # pixels a side and outputs of the small case
STEPS = (1000, 10_000)  # of gradient descent to T = 3 / lambda_max
SPAN = (0.01, 1000.0)  # of the times, in 1 / lambda_max


def main(cfg: Moskalev2023) -> None:
    experiment = Experiment(cfg)
    out = record.Stage(cfg, PAPER, "proposition", source=experiment.source)
    checks, curves = {}, {}
    for name, (w, eps) in cases(experiment).items():
        checks[name], curves[name] = check(w, eps, cfg.proposition.times)
    for metric in ("grad_err", "gd_err", "sigma_max_increase", "limit_err", "residual_at_limit"):
        out.metric(f"prop31.{metric}", [max(found[metric] for found in checks.values())])
    orders = [found["gd_order"] for found in checks.values()]
    out.metric("prop31.gd_order", [max(orders, key=lambda order: abs(math.log10(order) - 1))])  # the farthest from 10
    out.notes = {"checks": checks, "curves": curves}
    out.write()


def cases(experiment: Experiment) -> dict[str, tuple[Tensor, Tensor]]:
    """W(0) (seeds, k, d) and eps (seeds, s, d) by name."""
    block = experiment.cfg.proposition
    digits = experiment.images("mnist", block.seeds).test.x.double()
    found = {}
    for name, samples in (("noise", 1), ("noise_many", block.samples)):
        noise = torch.randn(block.seeds, samples, SMALL, SMALL, generator=generator(0, name), dtype=torch.float64)
        found[name] = noise - GROUPS["R4"].act(noise, 1)
    for group, action in GROUPS.items():
        found[f"digit_{group}"] = digits - action.act(digits, 1)
    return {
        name: (weights(block.seeds, LOGITS if name.startswith("noise") else CLASSES, eps.flatten(2)), eps.flatten(2))
        for name, eps in found.items()
    }


def weights(seeds: int, k: int, eps: Tensor) -> Tensor:
    """Glorot-uniform W(0) (seeds, k, d)."""
    bound = math.sqrt(6 / (k + eps.shape[-1]))
    drawn = [torch.rand(k, eps.shape[-1], generator=generator(s, "linear"), dtype=torch.float64) for s in range(seeds)]
    return (2 * torch.stack(drawn) - 1) * bound


def check(w: Tensor, eps: Tensor, times: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The worst number of each check over seeds, and sigma_max over time (in 1 / lambda_max) of the first seed."""
    values, _ = spectrum(eps)
    largest = values[:, 0]
    smallest = torch.where(values > 0, values, math.inf).amin(1)

    leaf = w.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(error(leaf, eps).sum(), leaf)
    exact = flow(w, eps, 3 / largest)
    off = [relative(descend(w, eps, 3 / largest / steps, steps), exact).amax().item() for steps in STEPS]

    grid = torch.logspace(*(math.log10(end) for end in SPAN), times, dtype=w.dtype)
    sigma = torch.stack([torch.linalg.svdvals(flow(w, eps, t / largest))[:, 0] for t in grid], 1)  # (seeds, times)
    sigma = torch.cat([torch.linalg.svdvals(w)[:, :1], sigma], 1)
    limit = w - w @ torch.linalg.pinv(eps) @ eps  # W(0) P
    residual = (limit @ eps.mT).norm(dim=(-2, -1)) / w.norm(dim=(-2, -1)) / eps.norm(dim=(-2, -1))
    found = {
        "grad_err": relative(w @ (eps.mT @ eps / eps.shape[1]), by_autograd).amax().item(),
        "gd_err": off[1],
        "gd_order": off[0] / off[1],
        "sigma_max_increase": max(sigma.diff(dim=1).amax().item(), 0.0),
        "limit_err": relative(flow(w, eps, 40 / smallest), limit).amax().item(),
        "residual_at_limit": residual.amax().item(),
    }
    return found, {"t": grid.tolist(), "sigma_max": (sigma[0, 1:] / sigma[0, 0]).tolist()}


def relative(a: Tensor, b: Tensor) -> Tensor:
    """Frobenius distance of matrices a and b in units of b's norm."""
    return (a - b).norm(dim=(-2, -1)) / b.norm(dim=(-2, -1))


if __name__ == "__main__":
    stage.run(main, PAPER)
