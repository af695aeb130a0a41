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
from learned_symmetry.objective import Batch, Objective, Transfer, frozen

LAYERS = ("layer1", "layer2", "logits")


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
    def forward(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        in_fourier = torch.fft.rfft(x)
        return torch.fft.irfft(in_fourier * m.unsqueeze(1), n=x.shape[-1]), in_fourier

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[1], output[1])
        ctx.length = inputs[0].shape[-1]
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None]:
        m, x_in_fourier = ctx.saved_tensors
        length, in_fourier = ctx.length, torch.fft.rfft(grad)
        to_x = torch.fft.irfft(in_fourier * m.conj().unsqueeze(1), n=length) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_x, None
        twice = grad.new_full((length // 2 + 1,), 2.0 / length)  # rfft keeps one of each conjugate pair
        twice[0] = 1.0 / length
        if length % 2 == 0:
            twice[-1] = 1.0 / length
        return to_x, (x_in_fourier.conj() * in_fourier).sum(1) * twice


def correlate(x: Tensor, multipliers: Tensor) -> Tensor:
    """Circular signals x (b, c, length), each moved by its own multipliers (b, length // 2 + 1)."""
    return _Correlate.apply(x, multipliers)[0]


def act(multipliers: Tensor, g: Tensor, x: Tensor) -> Tensor:
    """rho_g x: circular signals x (b, c, length), example i moved by the kernel of element g[i]."""
    return correlate(x, multipliers[g])


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

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        g, h = _pairs(generator, size, self.order)
        return {"g": g, "h": h}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        kernels, x, g = network(), batch["x"], batch["g"]
        on_input = spectrum(kernels["input"], x.shape[-1])
        moved = act(on_input, g, x)
        seen = features(frozen(self.teacher, batch), moved, LAYERS)
        gaps = [_gap(batch[f"teacher.{name}"], kernels[name], g, seen[name]) for name in LAYERS]
        equiv = sum(gaps) / sum(seen[name].numel() for name in LAYERS)
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

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return {"g": torch.randint(self.order, (size,), generator=generator)}

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        x, g = batch["x"], batch["g"]
        moved = act(spectrum(batch["rho.input"], x.shape[-1]), g, x)
        both = features(network, torch.cat([x, moved]), LAYERS)  # one product for still and moved inputs
        still, after = ({name: z.split(len(x))[side] for name, z in both.items()} for side in (0, 1))
        signals = {name: self._as_signal(name, still[name], x.shape[-1]) for name in LAYERS}
        gaps = [_gap(signals[name], batch[f"rho.{name}"], g, after[name]) for name in LAYERS]
        match = sum(gaps) / sum(after[name].numel() for name in LAYERS)
        augmented = F.cross_entropy(after["logits"], batch["y"])
        task = F.cross_entropy(still["logits"], batch["y"])
        total = (1 - self.gamma) * task + self.gamma * (match + augmented)
        return {"task": task, "match": match, "augmented": augmented, "total": total}

    def _as_signal(self, name: str, activation: Tensor, positions: int) -> Tensor:
        return (
            activation.unflatten(1, (-1, positions)) if self.layout == "channels" and name != "logits" else activation
        )


def _gap(still: Tensor, kernels: Tensor, g: Tensor, after: Tensor) -> Tensor:
    """Summed squared difference of the moved activations rho_g `still` and the activations `after` the input moved.

    Maps (b, c, n) are moved channel by channel, vectors (b, n) as one ring.
    """
    signal = still.unsqueeze(1) if still.dim() == 2 else still
    moved = act(spectrum(kernels, signal.shape[-1]), g, signal)
    return (moved.flatten(1) - after.flatten(1)).square().sum()
