"""Huang et al. 2024, Figures 7 and 8: MLP-Mixers that clone a convolution or a steerable one, and their errors.

dvc repro stages/huang2024/dvc.yaml:mixer@t2
python stages/huang2024/mixer.py t2

The maps of the figures, by the first seed, are the result's notes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import record, stage
from learned_symmetry.cloning.clone import TURNS
from learned_symmetry.cloning.mixer import MixerErrors, Target, basis, mixer_runs, true_layer, untrained
from learned_symmetry.cloning.training import PAPER, fit_clones
from learned_symmetry.config.huang2024 import Huang2024
from learned_symmetry.record import told
from learned_symmetry.rng import generator

GLYPH = ("###", "#..", "##.", "#..")  # ours; the authors' is hand-drawn too


def main(cfg: Huang2024, target: Target) -> None:
    out = record.Stage(cfg, PAPER, f"mixer_{target}", source="generated", fingerprint=stage.fingerprint(cfg))
    device = record.resolve_device(cfg.engine.device)
    fitted = fit_clones(mixer_runs(cfg, target, device), cfg, cfg.mixers, out.scratch, device, f"{target} mixers")
    size = getattr(cfg.mixers.size, target)
    errors = MixerErrors(target, cfg.mixers.channels, size, cfg.mixers.measured)
    found = [{} if done.dropped else errors.of_mixer(done.network()) for done in fitted]
    out.runs += [done.record(values) for done, values in zip(fitted, found, strict=True)]
    for column in ("relative_error", "equivariance_error"):
        out.metric(f"cloning.mixer_{target}.{column}", [values.get(column) for values in found])
    linear = "mixer_linear" if target == "t2" else f"mixer_linear_{target}"
    plain = [errors.equivariance(untrained(target, size, seed)) for seed in range(cfg.seeds)]
    out.metric(f"cloning.{linear}.equivariance_error", [values["equivariance_error"] for values in plain])
    out.notes = maps(target, cfg.mixers.channels, size, fitted[0].network())
    out.write()


@torch.no_grad()
def maps(target: Target, channels: int, size: int, mixer: nn.Module) -> dict[str, list[Any]]:
    """Of a moved glyph: itself, and the first channel of what the true layer, the mixer and a linear layer make of it.

    Moved right and then down as far as the image lets it, or turned by 90 and 180 degrees; the same in all channels.
    """
    x = moved(target, size).unsqueeze(1).expand(-1, channels, -1, -1)
    kernels = torch.randn(len(basis(target)), channels**2, generator=generator(0, "figures 7 and 8", target))
    columns = {
        "input": x,
        "true layer": true_layer(target, x, kernels),
        "mixer": mixer(x, kernels),
        "untrained": untrained(target, size, 0)(x),
    }
    return {title: told(column[:, 0]) for title, column in columns.items()}


def moved(target: Target, size: int) -> Tensor:
    """Three images (3, size, size) of the glyph."""
    glyph = torch.tensor([[float(pixel == "#") for pixel in row] for row in GLYPH])
    down, right = (size - side for side in glyph.shape)
    if target == "so2":
        return TURNS.orbit(F.pad(glyph, (right // 2, right - right // 2, down // 2, down - down // 2)))[:3]
    still = F.pad(glyph, (0, right, 0, down))
    return torch.stack([still, still.roll(right, 1), still.roll((down, right), (0, 1))])


if __name__ == "__main__":
    stage.run(main, PAPER, "target")
