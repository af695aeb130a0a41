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


def _stacked(info: Any, in_dims: Sequence[int | None], inputs: Sequence[Any]) -> list[Any]:
    """What `torch.vmap` hands over, each with its runs as the leading axis."""
    return [
        value
        if value is None
        else value.movedim(dim, 0)
        if dim is not None
        else value.expand(info.batch_size, *value.shape)
        for value, dim in zip(inputs, in_dims, strict=True)
    ]


def _to_multipliers(x_in_fourier: Tensor, grad_in_fourier: Tensor, length: int) -> Tensor:
    """The gradient (..., b, length // 2 + 1) of multipliers from those of x and of the outcome's gradient."""
    twice = x_in_fourier.real.new_full((length // 2 + 1,), 2.0 / length)  # rfft keeps one of each conjugate pair
    twice[0] = 1.0 / length
    if length % 2 == 0:
        twice[-1] = 1.0 / length
    return (x_in_fourier.conj() * grad_in_fourier).sum(-2) * twice


class _Correlate(torch.autograd.Function):
    """Signals x (..., b, c, n) times multipliers m (..., b, n // 2 + 1) in Fourier space, with gradients by real
    transforms.

    Autograd's own backward of rfft and irfft goes through full complex transforms and zero-filled copies.
    """

    @staticmethod
    def forward(x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        in_fourier = torch.fft.rfft(x)
        return torch.fft.irfft(in_fourier * m.unsqueeze(-2), n=x.shape[-1]), in_fourier

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[1], output[1])
        ctx.length = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, Tensor | None]:
        if grad is None:
            return None, None
        m, x_in_fourier = ctx.saved_tensors
        to_x, to_m = ctx.needs_input_grad
        in_fourier = torch.fft.rfft(grad)
        return (
            torch.fft.irfft(in_fourier * m.conj().unsqueeze(-2), n=ctx.length) if to_x else None,
            _to_multipliers(x_in_fourier, in_fourier, ctx.length) if to_m else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _Correlate.apply(*_stacked(info, in_dims, inputs)), (0, 0)


class _Gap(torch.autograd.Function):
    """||rho_g still - after||^2 (...,) of signals (..., b, c, n), multipliers m (..., b, n // 2 + 1) moving `still`.

    `seen` is `after`, or, where `still` is None, both: (..., 2 b, c, n). In one function, because a step's time goes
    into passes over the activations.
    """

    @staticmethod
    def forward(seen: Tensor, m: Tensor, still: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        before, after = seen.tensor_split(2, -3) if still is None else (still, seen)
        in_fourier = torch.fft.rfft(before)
        gap = torch.fft.irfft(in_fourier * m.unsqueeze(-2), n=seen.shape[-1]).sub_(after)
        return torch.linalg.vector_norm(gap, dim=(-3, -2, -1)).square(), gap, in_fourier

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(inputs[1], *output[1:])
        ctx.halves = inputs[2] is None

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None
        m, gap, x_in_fourier = ctx.saved_tensors
        length, twice = gap.shape[-1], 2 * grad[..., None, None, None]
        to_seen = -twice * gap
        if not (ctx.halves or ctx.needs_input_grad[1]):
            return to_seen, None, None
        in_fourier = torch.fft.rfft(gap)
        to_m = _to_multipliers(x_in_fourier, in_fourier, length) * twice[..., 0] if ctx.needs_input_grad[1] else None
        if ctx.halves:
            to_still = torch.fft.irfft(in_fourier * (twice[..., 0] * m.conj()).unsqueeze(-2), n=length)
            to_seen = torch.cat([to_still, to_seen], dim=-3)
        return to_seen, to_m, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _Gap.apply(*_stacked(info, in_dims, inputs)), (0, 0, 0)


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

    def gap(self, layer: str, seen: Tensor, batch: Batch) -> Tensor:
        """||rho_g still - after||^2 of a layer's activations `seen` (2 b, ...) of still, then of moved inputs."""
        raise NotImplementedError

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        seen = features(network, torch.cat([batch["x"], self.move(batch)]), self.layers)
        match = sum(self.gap(layer, z, batch) for layer, z in seen.items()) / sum(z.numel() / 2 for z in seen.values())
        task, augmented = (F.cross_entropy(logits, batch["y"]) for logits in seen["logits"].chunk(2))
        total = (1 - self.gamma) * task + self.gamma * (match + augmented)
        return {"task": task, "match": match, "augmented": augmented, "total": total}


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
        gaps = [_gap(seen[layer], kernels[layer], g, batch[f"teacher.{layer}"]) for layer in seen]
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

    def gap(self, layer: str, seen: Tensor, batch: Batch) -> Tensor:
        if self.layout == "channels" and layer != "logits":
            seen = as_signal(seen, batch["x"].shape[-1])
        return _gap(seen, batch[f"rho.{layer}"], batch["g"])


def _gap(seen: Tensor, kernels: Tensor, g: Tensor, still: Tensor | None = None) -> Tensor:
    """`Teach.gap` by kernels: maps (b, c, n) are moved channel by channel, vectors (b, n) as one ring.

    With fixed activations `still` of still inputs, `seen` are those of moved ones alone.
    """
    if seen.dim() == 2:
        seen, still = seen.unsqueeze(1), None if still is None else still.unsqueeze(1)
    return _Gap.apply(seen, spectrum(kernels, seen.shape[-1])[g], still)[0]
