"""Orbit on images (nix2022 Section 5, protocol 2.2): `orbit` with circular kernels on maps, applied n times.

The teacher is frozen and the moved input is cut off from the kernels, so the equivariance loss is quadratic in the
(repeated) kernels: it is evaluated from the spectra of the teacher's features, summed over channels, a few examples at
a time, and no moved copy of a feature map is ever made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_symmetry.layout import as_maps
from learned_symmetry.models import Network, features
from learned_symmetry.objective import Batch, frozen
from learned_symmetry.transfer import orbit

CHUNK = {"cpu": 16, "cuda": 2048}  # examples whose features are held at once; on a CPU, in its cache


def multipliers(kernels: Tensor, height: int, width: int) -> Tensor:
    """Kernels (|G|, k, k) as multipliers (|G|, height, width // 2 + 1) of a circular map's Fourier transform.

    Cross-correlation (K * x)[i, j] = sum_ab K[a, b] x[i + a - p, j + b - p] around both edges, p = floor((k - 1) / 2).
    Of a kernel larger than the map (5 x 5 on the MLP's 4 x 4) the weights that meet at one position add up.
    """
    size = kernels.shape[-1]
    before = (size - 1) // 2
    tiles = F.pad(kernels, (0, -size % width, 0, -size % height))
    wrapped = tiles.unflatten(-1, (-1, width)).unflatten(-3, (-1, height)).sum((-4, -2))
    return torch.fft.rfft2(wrapped.roll((-before, -before), (-2, -1))).conj()


def repeated(multiplier: Tensor, n: Tensor, most: int) -> Tensor:
    """The multiplier of n applications in a row, n (scalar) from 1 to `most`."""
    power = multiplier
    for times in range(2, most + 1):
        power = torch.where(n >= times, power * multiplier, power)
    return power


def act(multiplier: Tensor, x: Tensor) -> Tensor:
    """Circular maps x (b, c, h, w), each moved by its own multiplier (b, h, w // 2 + 1)."""
    return torch.fft.irfft2(torch.fft.rfft2(x) * multiplier.unsqueeze(1), s=x.shape[-2:])


def half_spectrum_weights(height: int, width: int, like: Tensor) -> Tensor:
    """(width // 2 + 1,): the share of a half spectrum's columns in Parseval's sum over the whole, / (height width)."""
    twice = like.new_full((width // 2 + 1,), 2.0 / (height * width))
    twice[0] /= 2
    if width % 2 == 0:
        twice[-1] /= 2
    return twice


@dataclass(frozen=True)
class Moments:
    """What the summed squared difference of moved maps and maps of the moved input is a quadratic form of.

    Of maps f and t (b, c, h, w): sum_c |F_c|^2 and sum_c conj(F_c) T_c (b, h, w // 2 + 1, [re, im]), and |t|^2 (b,).
    """

    power: Tensor
    cross: Tensor
    energy: Tensor

    @classmethod
    def of(cls, still: Tensor, after: Tensor) -> Moments:
        f, t = torch.fft.rfft2(still), torch.fft.rfft2(after)
        fr, fi, tr, ti = f.real, f.imag, t.real, t.imag
        cross = torch.stack([(fr * tr + fi * ti).sum(1), (fr * ti - fi * tr).sum(1)], -1)
        return cls((fr * fr + fi * fi).sum(1), cross, after.flatten(1).square().sum(1))

    def gap(self, multiplier: Tensor, height: int, width: int) -> Tensor:
        """Summed squared difference of the maps f moved by `multiplier` (b, h, w // 2 + 1) and the maps t."""
        m = torch.view_as_real(multiplier)
        quadratic = m.square().sum(-1) * self.power - 2 * (m * self.cross).sum(-1)
        return (quadratic * half_spectrum_weights(height, width, self.power)).sum() + self.energy.sum()


def draw_elements(generator: torch.Generator, size: int, order: int, n_max: int) -> dict[str, Tensor]:
    """g uniform for each example, and for the batch the number n of applications, uniform in 1..n_max - 1 (D30)."""
    n = torch.randint(1, max(n_max, 2), (), generator=generator)
    return orbit.draw_elements(generator, size, order) | {"n": n}


@dataclass(frozen=True)
class LearnImageOrbit(orbit.Learn):
    """Stage 1 on images, with a cross-entropy beside the other terms (protocol 2.2, 2.4).

    The network is an `OrbitImageKernels`. `terms` names the terms that are not switched off: the others are not even
    computed (Table 6). With `detach` no gradient reaches the kernels through the moved input (D27), so CE, which then
    has none at all, counts in the validation loss only.
    """

    ce: float
    layers: tuple[str, ...]
    terms: tuple[str, ...]
    n_max: int
    clamp: bool
    detach: bool
    order: int = 25

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return draw_elements(generator, size, self.order, self.n_max)

    def losses(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        return self._losses(network, batch, with_ce=not self.detach)

    def score(self, network: Network, batch: Batch) -> Tensor:
        """The mean over all n: a model is chosen by how good it is, not by which n its evaluation happened to draw."""
        numbers = range(1, max(self.n_max, 2))
        every = [self._losses(network, {**batch, "n": torch.full_like(batch["n"], n)}, with_ce=True) for n in numbers]
        return torch.stack([losses["total"] for losses in every]).mean()

    def _losses(self, network: Network, batch: Batch, with_ce: bool) -> dict[str, Tensor]:
        kernels, x, g, n, most = network(), batch["x"], batch["g"], batch["n"], max(self.n_max - 1, 1)
        bank = multipliers(kernels["input"], *x.shape[-2:])
        moved = act(repeated(bank[g], n, most), x)
        parts = {}
        seen = moved.clamp(0, 1) if self.clamp else moved
        ask = {"ce": with_ce, "equiv": True}
        ask = tuple(term for term in self.terms if ask.get(term))
        if ask:
            parts |= self._asked(kernels, batch, x, seen.detach() if self.detach else seen, ask, most)
        if "inv" in self.terms:
            back = act(repeated(bank[(self.order - g) % self.order], n, most), moved)
            parts["inv"] = F.mse_loss(back, x)
        if "group" in self.terms:
            parts["group"] = orbit.likeness(kernels["input"])
        return self.weighed(parts)

    def _asked(
        self, kernels: dict[str, Tensor], batch: Batch, x: Tensor, moved: Tensor, terms: tuple[str, ...], most: int
    ) -> dict[str, Tensor]:
        """The terms that need the teacher, chunk by chunk."""
        teacher, g, n = frozen(self.teacher, batch), batch["g"], batch["n"]
        layers = self.layers if "equiv" in terms else ()
        gaps, units, ce, banks = 0.0, 0, 0.0, {}
        for rows in torch.arange(len(x), device=x.device).split(CHUNK[x.device.type]):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
                after = features(teacher, moved[rows], layers)
                ce = ce + F.cross_entropy(after["logits"], batch["y"][rows], reduction="sum")
                if not layers:
                    continue
                still = features(teacher, x[rows], layers)
                moments = {layer: Moments.of(as_image(still[layer]), as_image(after[layer])) for layer in layers}
            for layer, moment in moments.items():
                size = as_image(still[layer]).shape[-2:]
                if layer not in banks:
                    banks[layer] = multipliers(kernels[layer], *size)
                gaps = gaps + moment.gap(repeated(banks[layer][g[rows]], n, most), *size)
                units += still[layer].numel()
            turned = orbit.spectrum(kernels["logits"], after["logits"].shape[-1])[g[rows]]
            gaps = gaps + logits_gap(repeated(turned, n, most), still["logits"], after["logits"])
            units += after["logits"].numel()
        parts = {"ce": ce / len(x)} if "ce" in terms else {}
        return parts | ({"equiv": gaps / units} if layers else {})


def as_image(activation: Tensor) -> Tensor:
    """Maps (b, c, h, w) or (b, c, r, h, w) -> (b, channels, h, w)."""
    return activation.flatten(1, -3)


@dataclass(frozen=True)
class ImageOrbit(orbit.Teach):
    """Stage 2 on images, by the kernels of `LearnImageOrbit`.

    Vectors are laid out as squares, tokens on their grid; a class token, the first, is set aside and must stay as it is
    (D32).
    """

    n_max: int
    clamp: bool
    order: int = 25

    def draw(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        return draw_elements(generator, size, self.order, self.n_max)

    def move(self, batch: Batch) -> Tensor:
        x = batch["x"]
        moved = act(self._repeated(multipliers(batch["rho.input"], *x.shape[-2:]), batch), x)
        return moved.clamp(0, 1) if self.clamp else moved

    def gap(self, layer: str, seen: Tensor, batch: Batch) -> Tensor:
        kernels, (still, after) = batch[f"rho.{layer}"], seen.chunk(2)
        if layer == "logits":
            return logits_gap(self._repeated(orbit.spectrum(kernels, still.shape[-1]), batch), still, after)
        (aside, maps), (aside_after, maps_after) = on_grid(still), on_grid(after)
        moved = act(self._repeated(multipliers(kernels, *maps.shape[-2:]), batch), maps)
        return (moved - maps_after).square().sum() + (aside - aside_after).square().sum()

    def _repeated(self, bank: Tensor, batch: Batch) -> Tensor:
        return repeated(bank[batch["g"]], batch["n"], max(self.n_max - 1, 1))


def logits_gap(multiplier: Tensor, still: Tensor, after: Tensor) -> Tensor:
    """Summed squared difference of logits (b, k) moved as one ring by `multiplier` (b, k // 2 + 1), and others."""
    return (orbit.correlate(still.unsqueeze(1), multiplier).squeeze(1) - after).square().sum()


def on_grid(activation: Tensor) -> tuple[Tensor, Tensor]:
    """What stays aside (b, k), and maps (b, c, h, w): of vectors (b, units), tokens (b, 1 + side^2, c), or maps."""
    if activation.dim() != 3:
        return activation.new_zeros(len(activation), 0), as_maps(activation)
    side = round((activation.shape[1] - 1) ** 0.5)
    return activation[:, 0], activation[:, 1:].mT.unflatten(2, (side, side))
