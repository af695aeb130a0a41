"""Orbit (nix2022 Section 5): learn how the teacher's layers move when its input moves, then teach the student that.

Stage 1 (`Learn`) fits a representation of the group to a frozen teacher; stage 2 (`Teach`) trains the student so that
its layers commute with it. How an element acts is the kind's: here one kernel an element on signals (`LearnOrbit`,
`Orbit`); on images by kernels (`orbit_images`) or affine maps (`orbit_affine`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.layout import as_signal
from learned_symmetry.models import Network, features
from learned_symmetry.objective import Batch, Objective, Transfer, frozen

LAYERS = ("layer1", "layer2")  # beside the logits


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


@dataclass(frozen=True)
class Learn(Objective):
    """Stage 1: a weighted sum of terms, of which `equiv`, `inv` and `group` are every kind's (nix2022 Eqs. 3 to 5)."""

    teacher: nn.Module  # frozen; its weights come with the batch as ``weights.NAME``
    equiv: float
    inv: float
    group: float
    selects: ClassVar[Literal["accuracy", "loss"]] = "loss"

    def weighed(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms by name, and their ``"total"``."""
        return parts | {"total": sum(getattr(self, term) * value for term, value in parts.items())}


@dataclass(frozen=True)
class Teach(Transfer):
    """Stage 2: Omega = mse(rho_g Psi_l(x), Psi_l(rho_g x)) over all layers' features + CE(Psi(rho_g x), y).

    The batch brings what `draw` drew of the group and the frozen representation, ``rho.input`` and ``rho.LAYER``.
    """

    passes: ClassVar[int] = 2
    compares: ClassVar[bool] = False

    def move(self, batch: Batch) -> Tensor:
        """rho_g x: the batch's inputs, moved."""
        raise NotImplementedError

    def gap(self, layer: str, still: Tensor, after: Tensor, batch: Batch) -> Tensor:
        """Summed squared difference of a layer's moved activations rho_g `still` and those `after` the input moved."""
        raise NotImplementedError

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        still, after = seen_twice(network, batch["x"], self.move(batch), self.layers)
        gaps = sum(self.gap(layer, still[layer], after[layer], batch) for layer in after)
        match = gaps / sum(z.numel() for z in after.values())
        augmented = F.cross_entropy(after["logits"], batch["y"])
        task = F.cross_entropy(still["logits"], batch["y"])
        total = (1 - self.gamma) * task + self.gamma * (match + augmented)
        return {"task": task, "match": match, "augmented": augmented, "total": total}


def seen_twice(
    network: Network, x: Tensor, moved: Tensor, layers: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`features` of still and of moved inputs, by one pass over both."""
    both = features(network, torch.cat([x, moved]), layers)
    halves = {layer: z.split(len(x)) for layer, z in both.items()}
    return {layer: half[0] for layer, half in halves.items()}, {layer: half[1] for layer, half in halves.items()}


def draw_elements(generator: torch.Generator, size: int, order: int) -> dict[str, Tensor]:
    """g uniform for each example."""
    return {"g": torch.randint(order, (size,), generator=generator)}


@dataclass(frozen=True)
class LearnOrbit(Learn):
    """Stage 1 on signals (protocol 2.1). The network is an `OrbitKernels`.

    The batch brings x (b, 1, n) and the cached teacher activations ``teacher.LAYER``. The group term compares moved
    inputs or kernels (D16).
    """

    group_term: Literal["inputs", "kernels"]
    order: ClassVar[int] = 40

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        drawn = draw_elements(generator, size, self.order)
        others = torch.randint(1, self.order, (size,), generator=generator)
        return drawn | {"h": (drawn["g"] + others) % self.order}  # h uniform in the elements that g is not

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        kernels, x, g = network(), batch["x"], batch["g"]
        on_input = spectrum(kernels["input"], x.shape[-1])
        moved = act(on_input, g, x)
        seen = features(frozen(self.teacher, batch), moved, LAYERS)
        gaps = [_gap(batch[f"teacher.{layer}"], kernels[layer], g, seen[layer]) for layer in seen]
        equiv = sum(gaps) / sum(z.numel() for z in seen.values())
        inv = F.mse_loss(act(on_input, (self.order - g) % self.order, moved), x)
        group = self._likeness(kernels["input"], on_input, moved, batch["h"], x)
        return self.weighed({"equiv": equiv, "inv": inv, "group": group})

    def _likeness(self, kernels: Tensor, on_input: Tensor, moved: Tensor, h: Tensor, x: Tensor) -> Tensor:
        if self.group_term == "inputs":
            return F.cosine_similarity(moved.flatten(1), act(on_input, h, x).flatten(1), dim=1).abs().mean()
        return likeness(kernels)


def likeness(kernels: Tensor) -> Tensor:
    """Mean |cosine| of two different kernels of a bank (|G|, ...)."""
    unit = F.normalize(kernels.flatten(1), dim=1)
    return (unit @ unit.mT).abs().triu(1).sum() / (len(unit) * (len(unit) - 1) / 2)


@dataclass(frozen=True)
class Orbit(Teach):
    """Stage 2 on signals, by the kernels of `LearnOrbit`.

    ``layout="flat"`` treats a hidden layer as one circular signal, as the authors' code does; ``"channels"`` as
    channels of 40 positions (D18).
    """

    layout: Literal["flat", "channels"]
    layers: tuple[str, ...] = field(default=LAYERS, kw_only=True)
    order: ClassVar[int] = 40

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return draw_elements(generator, size, self.order)

    def move(self, batch: Batch) -> Tensor:
        return act(spectrum(batch["rho.input"], batch["x"].shape[-1]), batch["g"], batch["x"])

    def gap(self, layer: str, still: Tensor, after: Tensor, batch: Batch) -> Tensor:
        if self.layout == "channels" and layer != "logits":
            still = as_signal(still, batch["x"].shape[-1])
        return _gap(still, batch[f"rho.{layer}"], batch["g"], after)


def _gap(still: Tensor, kernels: Tensor, g: Tensor, after: Tensor) -> Tensor:
    """`Teach.gap` by kernels: maps (b, c, n) are moved channel by channel, vectors (b, n) as one ring."""
    signal = still.unsqueeze(1) if still.dim() == 2 else still
    moved = act(spectrum(kernels, signal.shape[-1]), g, signal)
    return (moved.flatten(1) - after.flatten(1)).square().sum()
