"""Orbit (nix2022 Section 5): learn how the teacher's layers move when its input moves, then teach the student that.

Stage 1 (`LearnOrbit`) fits one kernel a group element to a frozen teacher; stage 2 (`Orbit`) trains the student so that
its layers commute with those kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network, features
from learned_symmetry.objective import Batch, Objective, Transfer


def spectrum(kernels: Tensor, length: int) -> Tensor:
    """Kernels (|G|, k) as multipliers (|G|, length // 2 + 1) of a circular signal's Fourier transform.

    Cross-correlation (K * x)[i] = sum_j K[j] x[(i + j - p) mod length], p = floor((k - 1) / 2). Transforming the bank
    once costs |G| short transforms; a grouped convolution would gather a kernel a sample.
    """
    size = kernels.shape[-1]
    centred = F.pad(kernels, (0, length - size)).roll(-((size - 1) // 2), -1)
    return torch.fft.rfft(centred).conj()


class _Correlate(torch.autograd.Function):
    """Signals x (b, c, n) times multipliers m (b, n // 2 + 1) in Fourier space, with gradients by real transforms.

    Autograd's own backward of rfft and irfft goes through full complex transforms and zero-filled copies.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, m: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) * m.unsqueeze(1), n=x.shape[-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, m = ctx.saved_tensors
        length, in_fourier = x.shape[-1], torch.fft.rfft(grad)
        to_x = torch.fft.irfft(in_fourier * m.conj().unsqueeze(1), n=length) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_x, None
        twice = torch.full((length // 2 + 1,), 2.0 / length, device=x.device)  # rfft keeps one of each conjugate pair
        twice[0] = 1.0 / length
        if length % 2 == 0:
            twice[-1] = 1.0 / length
        return to_x, (torch.fft.rfft(x).conj() * in_fourier).sum(1) * twice


def act(multipliers: Tensor, g: Tensor, x: Tensor) -> Tensor:
    """rho_g x: circular signals x (b, c, length), example i moved by the kernel of element g[i]."""
    return _Correlate.apply(x, multipliers[g])


def _pairs(generator: torch.Generator, size: int, order: int) -> tuple[Tensor, Tensor]:
    """g uniform, h uniform in the others."""
    g = torch.randint(order, (size,), generator=generator)
    return g, (g + torch.randint(1, order, (size,), generator=generator)) % order


@dataclass(frozen=True)
class LearnOrbit(Objective):
    """Stage 1: g_equiv L_equiv + g_inv L_inv + g_group L_group (nix2022 Eqs. 3 to 5; protocol 2.1).

    The network is an `OrbitKernels`. The batch brings x (b, 1, n), the cached teacher activations ``teacher.LAYER`` and
    the frozen teacher's weights ``weights.NAME``. The group term compares moved inputs or kernels (D16).
    """

    teacher: nn.Module
    group_term: Literal["inputs", "kernels"]
    equiv: float
    inv: float
    group: float
    order: ClassVar[int] = 40
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"
    layers: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "logits")

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        g, h = _pairs(generator, size, self.order)
        return {"g": g, "h": h}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        kernels, x, g = network(), batch["x"], batch["g"]
        on_input = spectrum(kernels["input"], x.shape[-1])
        moved = act(on_input, g, x)
        prefix = "weights."
        weights = {name.removeprefix(prefix): w for name, w in batch.items() if name.startswith(prefix)}
        seen = features(Network(self.teacher, weights), moved, self.layers)
        equiv = torch.stack([
            _squared_gap(act(spectrum(kernels[name], _ring(still)), g, _as_signal(still)), seen[name])
            for name in self.layers
            for still in [batch[f"teacher.{name}"]]
        ]).sum() / sum(seen[name].numel() for name in self.layers)
        inv = F.mse_loss(act(on_input, (self.order - g) % self.order, moved), x)
        group = self._likeness(kernels["input"], on_input, moved, batch["h"], x)
        total = self.equiv * equiv + self.inv * inv + self.group * group
        return {"equiv": equiv, "inv": inv, "group": group, "total": total}

    def _likeness(self, kernels: Tensor, on_input: Tensor, moved: Tensor, h: Tensor, x: Tensor) -> Tensor:
        if self.group_term == "inputs":
            return F.cosine_similarity(moved.flatten(1), act(on_input, h, x).flatten(1), dim=1).abs().mean()
        cosines = F.normalize(kernels, dim=1) @ F.normalize(kernels, dim=1).mT
        return cosines.abs().triu(1).sum() / (self.order * (self.order - 1) / 2)


@dataclass(frozen=True)
class Orbit(Transfer):
    """Stage 2: Omega = mse(rho_g Psi_l(x), Psi_l(rho_g x)) over all layers' features + CE(Psi(rho_g x), y).

    The batch brings the frozen kernels ``rho.input``, ``rho.LAYER`` (|G|, k). ``layout="flat"`` treats a hidden layer
    as one circular signal, as the authors' code does; ``"channels"`` as channels of 40 positions (D18).
    """

    layout: Literal["flat", "channels"]
    order: ClassVar[int] = 40
    layers: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "logits")

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"g": torch.randint(self.order, (size,), generator=generator)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, g = batch["x"], batch["g"]
        moved = act(spectrum(batch["rho.input"], x.shape[-1]), g, x)
        both = features(network, torch.cat([x, moved]), self.layers)  # one product for still and moved inputs
        still, after = ({name: z.split(len(x))[side] for name, z in both.items()} for side in (0, 1))
        match = torch.stack([self._gap(name, still[name], after[name], batch) for name in self.layers]).sum()
        match = match / sum(after[name].numel() for name in self.layers)
        augmented = F.cross_entropy(after["logits"], batch["y"])
        task = F.cross_entropy(still["logits"], batch["y"])
        total = (1 - self.gamma) * task + self.gamma * (match + augmented)
        return {"task": task, "match": match, "augmented": augmented, "total": total}

    def _gap(self, name: str, still: Tensor, after: Tensor, batch: Batch) -> Tensor:
        ring = still.shape[-1] if self.layout == "flat" or name == "logits" else x_length(batch)
        signal = still.reshape(len(still), -1, ring)
        return _squared_gap(act(spectrum(batch[f"rho.{name}"], ring), batch["g"], signal), after)


def x_length(batch: Batch) -> int:
    """Positions of the input signal, which the channels of a hidden layer share."""
    return batch["x"].shape[-1]


def _ring(activation: Tensor) -> int:
    return activation.shape[-1]


def _as_signal(activation: Tensor) -> Tensor:
    """Logits (b, k) as one channel; maps (b, c, n) as they are."""
    return activation.reshape(len(activation), -1, activation.shape[-1])


def _squared_gap(a: Tensor, b: Tensor) -> Tensor:
    return (a.flatten(1) - b.flatten(1)).square().sum()
